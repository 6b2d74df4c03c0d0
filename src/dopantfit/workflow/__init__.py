"""Running things: tasks, their graph, records, locks, pools and sites; no science."""

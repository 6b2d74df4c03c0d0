"""One random walk with a known end, written as programs write trajectories."""

import struct
from dataclasses import dataclass

import numpy as np

CELL = np.array([[8.0, 0.0, 0.0], [-2.0, 7.5, 0.0], [1.0, -0.8, 9.0]])
LABELS = ("Li",) * 4 + ("Ti",) * 3 + ("O",) * 5
TYPES = {"Li": 1, "Ti": 2, "O": 3}
INTERVAL = 0.1  # ps, 100 steps of 1 fs


@dataclass(frozen=True)
class Walk:
    """Four Li that walk through several cells, framework that vibrates; unwrapped [Å], ``shape=(n_frames, 12, 3)``."""

    positions: np.ndarray

    @property
    def wrapped(self):
        """Positions in the cell [Å]."""
        return (self.positions @ np.linalg.inv(CELL)) % 1.0 @ CELL

    @property
    def images(self):
        """Image flags of every ion in every frame."""
        return np.floor(self.positions @ np.linalg.inv(CELL)).astype(int)

    def part(self, first, last):
        """Some of the frames."""
        return Walk(self.positions[first:last])


def walk(n_frames=60, step=0.35, seed=11):
    """Steps of Li have this standard deviation in each direction [Å]; the longest is a quarter of the cell."""
    rng = np.random.default_rng(seed)
    fractions = np.array(list(np.ndindex(3, 2, 2)))[rng.permutation(12)] / (3, 2, 2) + 0.1
    steps = rng.normal(0.0, step, (n_frames, 4, 3))
    positions = np.repeat((fractions @ CELL)[None], n_frames, axis=0)
    positions[:, :4] += np.cumsum(steps, axis=0)
    positions[:, 4:] += rng.normal(0.0, 0.05, (n_frames, 8, 3))
    return Walk(positions)


def dump(run, columns="id type xu yu zu", first=0, head="", time=None, every=100):
    """Text dump in LAMMPS's words, ions in another order in every frame."""
    (x, y, z), (xy, xz, yz) = np.diag(CELL), (CELL[1, 0], CELL[2, 0], CELL[2, 1])
    bounds = [
        f"{min(0, xy, xz, xy + xz)} {x + max(0, xy, xz, xy + xz)} {xy}",
        f"{min(0, yz)} {y + max(0, yz)} {xz}",
        f"0.0 {z} {yz}",
    ]
    fractions = run.positions @ np.linalg.inv(CELL)
    values = {"xu": run.positions, "x": run.wrapped, "xsu": fractions, "xs": fractions % 1.0, "ix": run.images}
    text = head
    for frame in range(len(run.positions)):
        text += "" if time is None else f"ITEM: TIME\n{time * frame:.6f}\n"
        text += f"ITEM: TIMESTEP\n{first + every * frame}\nITEM: NUMBER OF ATOMS\n{len(LABELS)}\n"
        text += "ITEM: BOX BOUNDS xy xz yz pp pp pp\n" + "\n".join(bounds) + f"\nITEM: ATOMS {columns}\n"
        for i in np.random.default_rng(frame).permutation(len(LABELS)):
            known = {"id": i + 1, "type": TYPES[LABELS[i]], "element": LABELS[i], "mol": 7}
            for name, numbers in values.items():
                known |= {name.replace("x", axis): numbers[frame, i, k] for k, axis in enumerate("xyz")}
            text += " ".join(str(known[name]) for name in columns.split()) + "\n"
    return text


def data_file(style="charge", hint=True, names=("Li", "Ti", "O")):
    """Data file of the ions, in the reverse order of their ids."""
    text = "made by hand\n\n12 atoms\n3 atom types\n\n0.0 8.0 xlo xhi\n0 7.5 ylo yhi\n0 9 zlo zhi\n"
    text += "-2.0 1.0 -0.8 xy xz yz\n"
    # Masses of cores, which are not those of the elements.
    text += "\nMasses\n\n" + "".join(f"{i} {10.0 * i} # {name}\n" for i, name in enumerate(names, 1))
    text += f"\nAtoms{f' # {style}' if hint else ''}\n\n"
    between = {"atomic": "{t}", "charge": "{t} 1.5", "full": "7 {t} 1.5", "molecular": "7 {t}"}[style]
    for i in range(len(LABELS), 0, -1):
        text += f"{i} {between.format(t=TYPES[LABELS[i - 1]])} 0.0 0.0 0.0\n"
    return text


def xyz(run, comment, lattice=True, labels=LABELS):
    """XYZ; the comment is formatted with ``i``, the number of the frame."""
    box = 'Lattice="' + " ".join(map(str, CELL.ravel())) + '" Properties=species:S:1:pos:R:3 ' if lattice else ""
    frames = []
    for i, positions in enumerate(run):
        rows = [f"{label} " + " ".join(map(repr, p.tolist())) for label, p in zip(labels, positions, strict=True)]
        frames.append("\n".join([str(len(labels)), box + comment.format(i=i, ps=INTERVAL * i, fs=100.0 * i), *rows]))
    return "\n".join(frames) + "\n"


def xdatcar(run, scale="1.0", vectors=CELL, head_every_frame=False, numbers=None):
    """XDATCAR in VASP's words."""
    rows = ["  " + " ".join(f"{x:.9f}" for x in vector) for vector in vectors]
    head = "\n".join(["made by hand", f"  {scale}", *rows, "  Li Ti O", "  4 3 5"]) + "\n"
    text = ""
    for i, fractions in enumerate((run.positions @ np.linalg.inv(CELL)) % 1.0):
        text += head if head_every_frame or i == 0 else ""
        text += f"Direct configuration= {i + 1 if numbers is None else numbers[i]:5d}\n"
        text += "".join("  " + " ".join(f"{x:.8f}" for x in row) + "\n" for row in fractions)
    return text


def dcd(positions, cell, order="<", first=0, every=100, timestep=0.001, title=b"REMARKS made by hand", counts=None):
    """DCD file; cell: a, gamma, b, beta, alpha, c as written. counts: what it says of frames and ions, if untrue."""

    def record(content):
        mark = struct.pack(f"{order}i", len(content))
        return mark + content + mark

    n_frames, n_ions = counts or positions.shape[:2]
    head = struct.pack(f"{order}9i", n_frames, first, every, first + every * len(positions), 0, 0, 0, 0, 0)
    head += struct.pack(f"{order}f10i", timestep, 1, 0, 0, 0, 0, 0, 0, 0, 0, 24)
    text = record(b"CORD" + head) + record(struct.pack(f"{order}i", 1) + title.ljust(80))
    text += record(struct.pack(f"{order}i", n_ions))
    for frame in positions:
        text += record(np.asarray(cell, dtype=f"{order}f8").tobytes())
        text += b"".join(record(frame[:, k].astype(f"{order}f4").tobytes()) for k in range(3))
    return text

"use strict";
// 3-D views: ions as shaded discs, isosurfaces as translucent triangles; turned by pointer, touch or arrow keys.
(function () {
  const DISC_V = `#version 300 es
    in vec3 at; in vec3 colour; in float radius;
    uniform mat3 turn; uniform vec3 scale; uniform float pixels; uniform vec3 centre; uniform float depth;
    out vec3 shade;
    void main() {
      vec3 p = turn * (at - centre);
      gl_Position = vec4(p.xy * scale.xy, -p.z * depth, 1.0);
      gl_PointSize = max(2.0, 2.0 * radius * pixels);
      shade = colour;
    }`;
  const DISC_F = `#version 300 es
    precision highp float; in vec3 shade; out vec4 result;
    void main() {
      vec2 q = 2.0 * gl_PointCoord - 1.0;
      float r = dot(q, q);
      if (r > 1.0) discard;
      result = vec4(shade * (0.55 + 0.45 * sqrt(1.0 - r)), 1.0);
    }`;
  const FACE_V = `#version 300 es
    in vec3 at;
    uniform mat3 turn; uniform vec3 scale; uniform vec3 centre; uniform float depth;
    out vec3 place;
    void main() {
      vec3 p = turn * (at - centre);
      place = p;
      gl_Position = vec4(p.xy * scale.xy, -p.z * depth, 1.0);
    }`;
  const FACE_F = `#version 300 es
    precision highp float; in vec3 place; uniform vec4 colour; out vec4 result;
    void main() {
      vec3 n = normalize(cross(dFdx(place), dFdy(place)));
      result = vec4(colour.rgb * (0.45 + 0.55 * abs(n.z)), colour.a);
    }`;

  const LINE_F = `#version 300 es
    precision highp float; out vec4 result;
    void main() { result = vec4(0.55, 0.6, 0.65, 1.0); }`;

  function bytes(text) {
    const raw = atob(text), out = new Uint8Array(raw.length);
    for (let i = 0; i < raw.length; i++) out[i] = raw.charCodeAt(i);
    return out.buffer;
  }

  function places(packed, cell, longest) {
    const f = new Uint16Array(bytes(packed)), out = new Float32Array(f.length);
    for (let i = 0; i < f.length; i += 3)
      for (let k = 0; k < 3; k++)
        out[i + k] = longest * (f[i] * cell[0][k] + f[i + 1] * cell[1][k] + f[i + 2] * cell[2][k]) / 65535;
    return out;
  }

  const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255);

  function program(gl, vertex, fragment) {
    const made = gl.createProgram();
    for (const [kind, text] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, text);
      gl.compileShader(shader);
      gl.attachShader(made, shader);
    }
    gl.linkProgram(made);
    if (!gl.getProgramParameter(made, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(made));
    return made;
  }

  function buffer(gl, made, name, values, size) {
    const at = gl.getAttribLocation(made, name);
    gl.bindBuffer(gl.ARRAY_BUFFER, gl.createBuffer());
    gl.bufferData(gl.ARRAY_BUFFER, values, gl.STATIC_DRAW);
    gl.enableVertexAttribArray(at);
    gl.vertexAttribPointer(at, size, gl.FLOAT, false, 0, 0);
  }

  function load(gl, programs, scene) {
    const parts = [], cell = scene.cell;
    const at = places(scene.at, cell, 1), kind = new Uint8Array(bytes(scene.kind));
    scene.kinds.forEach((one, number) => {
      const own = [];
      for (let i = 0; i < kind.length; i++) if (kind[i] === number) own.push(at[3 * i], at[3 * i + 1], at[3 * i + 2]);
      const count = own.length / 3, array = gl.createVertexArray();
      gl.bindVertexArray(array);
      buffer(gl, programs.disc, "at", new Float32Array(own), 3);
      const colour = rgb(one.colour), colours = new Float32Array(3 * count);
      for (let i = 0; i < count; i++) colours.set(colour, 3 * i);
      buffer(gl, programs.disc, "colour", colours, 3);
      buffer(gl, programs.disc, "radius", new Float32Array(count).fill(one.radius), 1);
      parts.push({ name: one.name + " (" + one.count + ")", colour: one.colour, array, count, shown: true });
    });
    for (const one of scene.surfaces) {
      const array = gl.createVertexArray(), faces = new Uint32Array(bytes(one.faces));
      gl.bindVertexArray(array);
      buffer(gl, programs.face, "at", places(one.at, cell, one.longest), 3);
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
      gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, faces, gl.STATIC_DRAW);
      parts.push({ name: one.name, colour: one.colour, array, faces: faces.length, opacity: one.opacity, shown: true });
    }
    const edges = [], corner = (c) => [0, 1, 2].map((k) => (c & 1) * cell[0][k] + ((c >> 1) & 1) * cell[1][k] + ((c >> 2) & 1) * cell[2][k]);
    for (let c = 0; c < 8; c++) for (const bit of [1, 2, 4]) if (!(c & bit)) edges.push(...corner(c), ...corner(c | bit));
    const array = gl.createVertexArray();
    gl.bindVertexArray(array);
    buffer(gl, programs.line, "at", new Float32Array(edges), 3);
    parts.push({ name: "cell", colour: "#8c99a6", array, edges: edges.length / 3, shown: true });
    return parts;
  }

  function product(a, b) {
    const out = new Float32Array(9);
    for (let c = 0; c < 3; c++) for (let r = 0; r < 3; r++)
      for (let k = 0; k < 3; k++) out[3 * c + r] += a[3 * k + r] * b[3 * c + k];
    return out;
  }
  const aboutX = (t) => new Float32Array([1, 0, 0, 0, Math.cos(t), Math.sin(t), 0, -Math.sin(t), Math.cos(t)]);
  const aboutY = (t) => new Float32Array([Math.cos(t), 0, -Math.sin(t), 0, 1, 0, Math.sin(t), 0, Math.cos(t)]);

  function start(view) {
    const canvas = view.querySelector("canvas");
    const gl = canvas.getContext("webgl2", { alpha: false, antialias: true, preserveDrawingBuffer: true });
    if (!gl) { view.classList.add("flat"); view.dataset.state = "flat"; return; }
    const programs = { disc: program(gl, DISC_V, DISC_F), face: program(gl, FACE_V, FACE_F), line: program(gl, FACE_V, LINE_F) };
    const scenes = [...view.querySelectorAll("script")].map((one) => JSON.parse(one.textContent));
    // The normal of a boundary (z) lies along the screen.
    const first = () => product(aboutX(0.25), product(aboutY(Math.PI / 2 - 0.25), aboutX(0)));
    let turn = first(), zoom = 1, parts = [], cell = [], waiting = false;

    function draw() {
      waiting = false;
      const ratio = window.devicePixelRatio || 1;
      const w = Math.max(1, Math.round(canvas.clientWidth * ratio)), h = Math.max(1, Math.round(canvas.clientHeight * ratio));
      if (canvas.width !== w || canvas.height !== h) { canvas.width = w; canvas.height = h; }
      gl.viewport(0, 0, w, h);
      gl.clearColor(1, 1, 1, 1);
      gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
      gl.enable(gl.DEPTH_TEST);
      const sum = [0, 1, 2].map((k) => cell[0][k] + cell[1][k] + cell[2][k]);
      const extent = [[0, 0], [0, 0], [0, 0]];
      for (let c = 0; c < 8; c++) for (let r = 0; r < 3; r++) {
        let value = 0;
        for (let k = 0; k < 3; k++) {
          const at = (c & 1) * cell[0][k] + ((c >> 1) & 1) * cell[1][k] + ((c >> 2) & 1) * cell[2][k] - sum[k] / 2;
          value += turn[3 * k + r] * at;
        }
        extent[r][0] = Math.min(extent[r][0], value); extent[r][1] = Math.max(extent[r][1], value);
      }
      const pixels = zoom * 0.94 * Math.min(w / (extent[0][1] - extent[0][0]), h / (extent[1][1] - extent[1][0]));
      const common = (made) => {
        gl.useProgram(made);
        gl.uniformMatrix3fv(gl.getUniformLocation(made, "turn"), false, turn);
        gl.uniform3f(gl.getUniformLocation(made, "scale"), 2 * pixels / w, 2 * pixels / h, 1);
        gl.uniform3f(gl.getUniformLocation(made, "centre"), sum[0] / 2, sum[1] / 2, sum[2] / 2);
        gl.uniform1f(gl.getUniformLocation(made, "depth"), 0.6 / Math.hypot(...sum));
      };
      common(programs.disc);
      gl.uniform1f(gl.getUniformLocation(programs.disc, "pixels"), pixels);
      for (const one of parts) if (one.shown && one.count) { gl.bindVertexArray(one.array); gl.drawArrays(gl.POINTS, 0, one.count); }
      common(programs.line);
      for (const one of parts) if (one.shown && one.edges) { gl.bindVertexArray(one.array); gl.drawArrays(gl.LINES, 0, one.edges); }
      common(programs.face);
      gl.enable(gl.BLEND);
      gl.blendFunc(gl.SRC_ALPHA, gl.ONE_MINUS_SRC_ALPHA);
      gl.depthMask(false);
      for (const one of parts) if (one.shown && one.faces) {
        gl.uniform4f(gl.getUniformLocation(programs.face, "colour"), ...rgb(one.colour), one.opacity);
        gl.bindVertexArray(one.array);
        gl.drawElements(gl.TRIANGLES, one.faces, gl.UNSIGNED_INT, 0);
      }
      gl.depthMask(true);
      gl.disable(gl.BLEND);
      view.dataset.state = "drawn";
    }
    const again = () => { if (!waiting) { waiting = true; requestAnimationFrame(draw); } };

    function choose(number) {
      cell = scenes[number].cell;
      parts = load(gl, programs, scenes[number]);
      const list = view.querySelector(".parts");
      list.replaceChildren(...parts.map((one) => {
        const label = document.createElement("label"), box = document.createElement("input"), dot = document.createElement("i");
        box.type = "checkbox"; box.checked = true;
        box.addEventListener("change", () => { one.shown = box.checked; again(); });
        dot.style.background = one.colour;
        label.append(box, dot, one.name);
        return label;
      }));
      draw();
    }

    const spin = (x, y) => { turn = product(product(aboutX(y), aboutY(x)), turn); again(); };
    let last = null;
    canvas.addEventListener("pointerdown", (e) => { last = [e.clientX, e.clientY]; canvas.setPointerCapture(e.pointerId); });
    canvas.addEventListener("pointermove", (e) => {
      if (!last) return;
      spin((e.clientX - last[0]) * 0.01, (e.clientY - last[1]) * 0.01);
      last = [e.clientX, e.clientY];
    });
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => { last = null; });
    canvas.addEventListener("keydown", (e) => {
      const step = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] }[e.key];
      if (step) { spin(...step); e.preventDefault(); }
    });
    view.querySelector(".nearer").addEventListener("click", () => { zoom *= 1.25; again(); });
    view.querySelector(".farther").addEventListener("click", () => { zoom /= 1.25; again(); });
    view.querySelector(".reset").addEventListener("click", () => { zoom = 1; turn = first(); again(); });
    const select = view.querySelector("select");
    if (select) select.addEventListener("change", () => choose(select.selectedIndex));
    window.addEventListener("resize", again);
    choose(0);
  }

  // After the page is there, one by one: reading does not wait for them.
  addEventListener("load", () => { for (const view of document.querySelectorAll(".view")) setTimeout(() => {
    try { start(view); } catch (problem) { view.classList.add("flat"); view.dataset.state = "flat"; console.error(problem); }
  }); });
})();

// A scene and its class map on one canvas: pan, zoom, a divider to compare them, lines on top, and maybe a base map.
// The world's unit is a pixel of the pictures; `data.mercator` ties it to Web Mercator where there is a CRS.

const EARTH = 2 * Math.PI * 6378137;
const TILE = 256;

export default function ({ data, parentElement }) {
  const root = parentElement.querySelector(".viewer");
  root.view ??= createView(root);
  root.view.show(data);
}

function createView(root) {
  const canvas = root.querySelector("canvas");
  const part = (name) => root.querySelector(name);
  const view = { data: null, scale: 1, x: 0, y: 0, split: 0.5, isFit: true, images: {}, tiles: new Map() };
  let pending = false;

  const redraw = () => {
    if (pending) return;
    pending = true;
    requestAnimationFrame(() => {
      pending = false;
      if (view.data) draw(root, canvas, view, redraw);
    });
  };

  view.show = (data) => {
    const isOther = !view.data || view.data.plane !== data.plane;
    view.data = data;
    for (const name of ["image", "overlay"]) load(view, name, data[name], redraw);
    canvas.setAttribute("aria-label", data.label);
    part(".tag.left").textContent = data.mode === "overlay" ? "" : data.tags[0];
    part(".tag.right").textContent = data.mode === "overlay" ? "" : data.tags[1];
    part(".divider").style.display = data.mode === "swipe" ? "" : "none";
    part(".credit").textContent = data.tiles ? data.credit : "";
    root.style.height = `${heightFor(root, data)}px`;
    if (isOther || view.isFit) fit(canvas, view);
    root.dataset.view = data.mercator ? "map" : data.mode;
    redraw();
  };

  new ResizeObserver(() => {
    if (!view.data) return;
    root.style.height = `${heightFor(root, view.data)}px`;
    if (view.isFit) fit(canvas, view);
    redraw();
  }).observe(root);
  listen(root, canvas, view, redraw);
  return view;
}

function heightFor(root, data) {
  const panes = data.mode === "side" ? 2 : 1;
  const natural = (root.clientWidth / panes) * (data.height / data.width);
  return Math.round(Math.min(Math.max(natural, 260), Math.max(340, window.innerHeight * 0.8)));
}

function load(view, name, source, redraw) {
  if (!source || view.images[name]?.source === source) return;
  const image = new Image();
  image.source = source;
  // The picture that is shown stays until the new one can be drawn, so nothing flickers.
  image.onload = () => { view.images[name] = image; redraw(); };
  image.src = source;
}

function paneWidth(canvas, view) {
  return view.data.mode === "side" ? canvas.clientWidth / 2 : canvas.clientWidth;
}

function fit(canvas, view) {
  const { width, height } = view.data;
  const margin = view.data.tiles ? 0.82 : 1;
  view.scale = Math.min(paneWidth(canvas, view) / width, canvas.clientHeight / height) * margin;
  [view.x, view.y, view.isFit] = [width / 2, height / 2, true];
  canvas.style.touchAction = "pan-y";
}

function zoom(canvas, view, factor, at) {
  const pane = paneWidth(canvas, view);
  const dx = (at ? at[0] % pane : pane / 2) - pane / 2;
  const dy = (at ? at[1] : canvas.clientHeight / 2) - canvas.clientHeight / 2;
  const scale = Math.min(Math.max(view.scale * factor, 0.02), 24);
  view.x += dx / view.scale - dx / scale;
  view.y += dy / view.scale - dy / scale;
  view.scale = scale;
  view.isFit = false;
  canvas.style.touchAction = "none";
}

function draw(root, canvas, view, redraw) {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  const pane = paneWidth(canvas, view);
  if (view.data.mode === "side") {
    drawPane(context, view, [0, 0, pane - 1, height], pane, false, redraw);
    drawPane(context, view, [pane + 1, 0, pane - 1, height], pane, true, redraw);
  } else if (view.data.mode === "swipe") {
    const at = width * view.split;
    drawPane(context, view, [0, 0, at, height], pane, false, redraw);
    drawPane(context, view, [at, 0, width - at, height], pane, true, redraw);
    placeDivider(root, at, view.split);
  } else {
    drawPane(context, view, [0, 0, width, height], pane, true, redraw);
  }
  drawScale(root, view);
}

function drawPane(context, view, box, pane, withMap, redraw) {
  const { data, images, scale } = view;
  context.save();
  context.beginPath();
  context.rect(...box);
  context.clip();
  const offset = data.mode === "side" && box[0] > 0 ? pane : 0;
  context.translate(offset + pane / 2 - view.x * scale, box[3] / 2 - view.y * scale);
  if (data.tiles) drawTiles(context, view, pane, box[3], redraw);
  context.imageSmoothingEnabled = scale < 3;
  context.imageSmoothingQuality = "high";
  const size = [0, 0, data.width * scale, data.height * scale];
  if (images.image) context.drawImage(images.image, ...size);
  if (withMap && images.overlay && data.overlay) {
    context.globalAlpha = data.opacity;
    context.drawImage(images.overlay, ...size);
    context.globalAlpha = 1;
  }
  if (withMap) drawLines(context, data.lines, scale);
  context.restore();
}

function drawLines(context, lines, scale) {
  context.lineJoin = context.lineCap = "round";
  for (const { color, points, isOutline } of lines) {
    const path = new Path2D();
    for (let i = 0; i < points.length; i += 2) {
      const [x, y] = [points[i] * scale, points[i + 1] * scale];
      if (i === 0) path.moveTo(x, y);
      else path.lineTo(x, y);
    }
    context.strokeStyle = isOutline ? "rgb(10 16 15 / 0.55)" : "rgb(255 255 255 / 0.9)";
    context.lineWidth = isOutline ? 2.4 : 4.5;
    context.stroke(path);
    context.strokeStyle = isOutline ? "#fff" : color;
    context.lineWidth = isOutline ? 1 : 2.2;
    context.stroke(path);
  }
}

function drawTiles(context, view, width, height, redraw) {
  const { left, top, resolution } = view.data.mercator;
  const level = Math.log2((EARTH / TILE / resolution) * view.scale);
  const z = Math.max(0, Math.min(19, Math.round(level)));
  const side = EARTH / 2 ** z / resolution;
  const [east, south] = [(left + EARTH / 2) / resolution, (EARTH / 2 - top) / resolution];
  const first = (centre, half, shift) => Math.floor((centre - half / view.scale + shift) / side);
  const last = (centre, half, shift) => Math.floor((centre + half / view.scale + shift) / side);
  for (let x = first(view.x, width / 2, east); x <= last(view.x, width / 2, east); x++) {
    for (let y = first(view.y, height / 2, south); y <= last(view.y, height / 2, south); y++) {
      const tile = tileImage(view, z, x, y, redraw);
      if (tile?.isReady) {
        const size = side * view.scale + 0.5;
        context.drawImage(tile, (x * side - east) * view.scale, (y * side - south) * view.scale, size, size);
      }
    }
  }
}

function tileImage(view, z, x, y, redraw) {
  const count = 2 ** z;
  if (y < 0 || y >= count) return null;
  const url = view.data.tiles.replace("{z}", z).replace("{x}", ((x % count) + count) % count).replace("{y}", y);
  if (!view.tiles.has(url)) {
    const image = new Image();
    image.onload = () => { image.isReady = true; redraw(); };
    image.src = url;
    view.tiles.set(url, image);
  }
  return view.tiles.get(url);
}

function placeDivider(root, at, split) {
  const divider = root.querySelector(".divider");
  divider.style.left = `${at}px`;
  divider.setAttribute("aria-valuenow", Math.round(split * 100));
}

function drawScale(root, view) {
  const bar = root.querySelector(".scale");
  const metres = view.data.metres_per_pixel;
  if (!metres) { bar.textContent = ""; return; }
  const most = (110 * metres) / view.scale;
  const power = 10 ** Math.floor(Math.log10(most));
  const length = [5, 2, 1].map((step) => step * power).find((step) => step <= most);
  bar.textContent = length >= 1000 ? `${length / 1000} km` : `${Number(length.toPrecision(1))} m`;
  bar.style.width = `${(length / metres) * view.scale - 18}px`;
}

function showPlace(root, canvas, view, at) {
  const ground = view.data.mercator;
  if (!ground) return;
  const pane = paneWidth(canvas, view);
  const x = view.x + ((at[0] % pane) - pane / 2) / view.scale;
  const y = view.y + (at[1] - canvas.clientHeight / 2) / view.scale;
  const longitude = ((ground.left + x * ground.resolution) / EARTH) * 360;
  const north = ((ground.top - y * ground.resolution) / EARTH) * 2 * Math.PI;
  const latitude = (Math.atan(Math.sinh(north)) * 180) / Math.PI;
  root.querySelector(".place").textContent = `${latitude.toFixed(5)}°, ${longitude.toFixed(5)}°`;
}

function listen(root, canvas, view, redraw) {
  canvas.tabIndex = 0;
  const actions = {
    in: () => zoom(canvas, view, 1.6),
    out: () => zoom(canvas, view, 1 / 1.6),
    fit: () => fit(canvas, view),
  };
  for (const button of root.querySelectorAll("button")) {
    button.onclick = () => { actions[button.dataset.do](); redraw(); };
  }
  canvas.ondblclick = (event) => { zoom(canvas, view, 2, [event.offsetX, event.offsetY]); redraw(); };
  canvas.addEventListener("wheel", (event) => {
    // A page must scroll under the pointer: the wheel zooms once the map was clicked, or with Ctrl.
    if (!event.ctrlKey && root.getRootNode().activeElement !== canvas) return;
    event.preventDefault();
    zoom(canvas, view, Math.exp(-event.deltaY * 0.0016), [event.offsetX, event.offsetY]);
    redraw();
  }, { passive: false });
  listenToKeys(canvas, view, actions, redraw);
  listenToPointers(root, canvas, view, redraw);
  listenToDivider(root, view, redraw);
}

function listenToKeys(canvas, view, actions, redraw) {
  const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  canvas.onkeydown = (event) => {
    const step = steps[event.key];
    if (step) {
      view.x += (step[0] * 60) / view.scale;
      view.y += (step[1] * 60) / view.scale;
      view.isFit = false;
    } else if (event.key === "+" || event.key === "=") actions.in();
    else if (event.key === "-") actions.out();
    else if (event.key === "0") actions.fit();
    else return;
    event.preventDefault();
    redraw();
  };
}

function listenToPointers(root, canvas, view, redraw) {
  const fingers = new Map();
  const spread = () => {
    const [a, b] = [...fingers.values()];
    return Math.hypot(a[0] - b[0], a[1] - b[1]);
  };
  canvas.onpointerdown = (event) => {
    fingers.set(event.pointerId, [event.offsetX, event.offsetY]);
    canvas.setPointerCapture(event.pointerId);
    root.classList.add("dragging");
  };
  canvas.onpointermove = (event) => {
    const now = [event.offsetX, event.offsetY];
    const before = fingers.get(event.pointerId);
    if (!before) return showPlace(root, canvas, view, now);
    const old = fingers.size === 2 ? spread() : 0;
    fingers.set(event.pointerId, now);
    if (fingers.size === 2) {
      zoom(canvas, view, spread() / old, now);
    } else {
      view.x -= (now[0] - before[0]) / view.scale;
      view.y -= (now[1] - before[1]) / view.scale;
      view.isFit = false;
    }
    redraw();
  };
  canvas.onpointerup = canvas.onpointercancel = (event) => {
    fingers.delete(event.pointerId);
    root.classList.remove("dragging");
  };
}

function listenToDivider(root, view, redraw) {
  const divider = root.querySelector(".divider");
  const moveTo = (split) => { view.split = Math.min(Math.max(split, 0.02), 0.98); redraw(); };
  divider.onpointerdown = (event) => divider.setPointerCapture(event.pointerId);
  divider.onpointermove = (event) => {
    if (!divider.hasPointerCapture(event.pointerId)) return;
    const box = root.getBoundingClientRect();
    moveTo((event.clientX - box.left) / box.width);
  };
  divider.onkeydown = (event) => {
    const step = { ArrowLeft: -0.05, ArrowRight: 0.05 }[event.key];
    if (step) { event.preventDefault(); moveTo(view.split + step); }
  };
}

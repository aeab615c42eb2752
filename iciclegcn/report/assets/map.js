"use strict";
// The map itself: what is seen, and the one item that is shown. map_input.js lets people use it.
const map = (() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("map-data").textContent);
  const canvas = byId("map-canvas"), stage = byId("map-stage"), tip = byId("map-tip");
  const context = canvas.getContext("2d");
  const MARGIN = 24, LARGEST = 200, ROOM = 2300, NARROW = 600, MANY = 40;

  const bytes = (packed) => Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  const xy = new Uint16Array(bytes(data.xy).buffer);
  const cluster = new Int32Array(bytes(data.cluster).buffer);
  const second = new Int32Array(bytes(data.second).buffer);
  const confidence = new Uint16Array(bytes(data.confidence).buffer);
  const secondProbability = new Uint16Array(bytes(data.secondProbability).buffer);
  const truth = data.truth ? new Int32Array(bytes(data.truth).buffer) : null;
  const right = data.right ? bytes(data.right) : null;
  const xs = Float32Array.from({ length: data.count }, (_, i) => xy[2 * i] / 65535);
  const tallest = Math.max(...Array.from({ length: data.count }, (_, i) => xy[2 * i + 1])) / 65535;
  const ys = Float32Array.from({ length: data.count }, (_, i) => tallest - xy[2 * i + 1] / 65535);
  const widest = Math.max(...xs) || 1;

  // Walked through cluster by cluster, and from left to right.
  const order = Array.from(xs.keys()).sort((a, b) => cluster[a] - cluster[b] || xs[a] - xs[b]);
  const hidden = new Set();
  const middle = (values) => values.sort((a, b) => a - b)[values.length >> 1];
  const centers = [...new Set(cluster)].filter((number) => number >= 0).map((number) => {
    const own = order.filter((i) => cluster[i] === number);
    return [number, middle(own.map((i) => xs[i])), middle(own.map((i) => ys[i]))];
  });
  const view = { scale: 1, x: 0, y: 0, width: 0, height: 0 };
  let shown = -1, waiting = false, sheet = null;

  if (data.sheet) {
    const image = new Image();
    image.onload = () => { sheet = image; draw(); };
    image.src = data.sheet.source;
  }

  const base = () => Math.min(
    (view.width - 2 * MARGIN) / widest, (view.height - 2 * MARGIN) / (tallest || 1));
  const placeX = (x) => view.width / 2 + (x - widest / 2 - view.x) * base() * view.scale;
  const placeY = (y) => view.height / 2 + (y - tallest / 2 - view.y) * base() * view.scale;
  const toX = (i) => placeX(xs[i]), toY = (i) => placeY(ys[i]);

  const colouring = () => byId("map-colour").value;
  const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const rampColour = (value) => `hsl(${10 + 200 * value} 70% 52%)`;
  // Right ones are faint, so that the others stand out. No score counts the unassigned as wrong.
  const STATES = {
    right: (colour) => `color-mix(in srgb, ${colour("--muted")} 45%, transparent)`,
    wrong: (colour) => colour("--bad"),
    unassigned: (colour) => colour("--accent"),
  };
  const stateOf = (i) => (cluster[i] < 0 ? "unassigned" : right[i] ? "right" : "wrong");

  const colourOf = (i) => {
    switch (colouring()) {
      case "class": return data.classColours[truth[i]];
      case "right": return STATES[stateOf(i)](token);
      case "confidence": return rampColour(confidence[i] / 65535);
      default: return cluster[i] < 0 ? data.unassigned : data.colours[cluster[i]];
    }
  };

  function picture(i, x, y, size, into = context) {
    const { side, columns } = data.sheet;
    into.drawImage(sheet, (i % columns) * side, Math.floor(i / columns) * side, side, side,
      x, y, size, size);
  }

  function paint() {
    waiting = false;
    const ratio = window.devicePixelRatio || 1;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, view.width, view.height);
    const visible = [];
    for (let i = 0; i < data.count; i++) {
      if (hidden.has(cluster[i])) continue;
      const x = toX(i), y = toY(i);
      if (x > -30 && y > -30 && x < view.width + 30 && y < view.height + 30) visible.push(i);
    }
    // Once each has about twice its own room.
    const room = view.width * view.height / ROOM;
    const pictures = sheet !== null && visible.length <= room && view.scale > 1;
    const radius = Math.min(5, (data.count > 2000 ? 1.9 : 2.8) * Math.sqrt(view.scale) ** 0.7);
    context.globalAlpha = pictures ? 1 : 0.8;
    for (const i of visible) {
      const x = toX(i), y = toY(i);
      context.fillStyle = colourOf(i);
      if (pictures) {
        context.fillRect(x - 18, y - 18, 36, 36);
        picture(i, x - 16, y - 16, 32);
      } else {
        context.beginPath();
        context.arc(x, y, radius, 0, 2 * Math.PI);
        context.fill();
      }
    }
    context.globalAlpha = 1;
    const legible = centers.length <= MANY || view.scale > 3;
    if (!pictures && legible && colouring() === "cluster") names();
    if (shown >= 0) ring(toX(shown), toY(shown), pictures ? 24 : radius + 4);
    stage.dataset.zoom = view.scale.toFixed(2);
    stage.dataset.visible = visible.length;
    stage.dataset.pictures = pictures;
  }

  function names() {
    context.font = "600 13px system-ui, sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineWidth = 4;
    context.lineJoin = "round";
    context.strokeStyle = token("--card");
    context.fillStyle = token("--ink");
    for (const [number, x, y] of centers) {
      if (hidden.has(number)) continue;
      context.strokeText(number, placeX(x), placeY(y));
      context.fillText(number, placeX(x), placeY(y));
    }
  }

  function ring(x, y, radius) {
    context.strokeStyle = token("--ink");
    context.lineWidth = 2;
    context.beginPath();
    context.arc(x, y, radius, 0, 2 * Math.PI);
    context.stroke();
  }

  function draw() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(paint);
  }

  function resize() {
    const ratio = window.devicePixelRatio || 1;
    view.width = stage.clientWidth;
    view.height = stage.clientHeight;
    canvas.width = Math.round(view.width * ratio);
    canvas.height = Math.round(view.height * ratio);
    draw();
  }

  function zoom(factor, x = view.width / 2, y = view.height / 2) {
    const scale = Math.min(LARGEST, Math.max(1, view.scale * factor));
    const fixed = (1 / view.scale - 1 / scale) / base();
    view.x += (x - view.width / 2) * fixed;
    view.y += (y - view.height / 2) * fixed;
    view.scale = scale;
    if (scale === 1) view.x = view.y = 0;
    settle();
  }

  function move(dx, dy) {
    view.x -= dx / (base() * view.scale);
    view.y -= dy / (base() * view.scale);
    settle();
  }

  function settle() {
    view.x = Math.max(-widest / 2, Math.min(widest / 2, view.x));
    view.y = Math.max(-tallest / 2, Math.min(tallest / 2, view.y));
    // One finger scrolls the page until the map is zoomed; then it moves the map.
    canvas.style.touchAction = view.scale > 1 ? "none" : "pan-y";
    if (shown >= 0) place();
    draw();
  }

  function reset() {
    Object.assign(view, { scale: 1, x: 0, y: 0 });
    settle();
  }

  function nearest(x, y, reach) {
    let best = -1, least = reach * reach;
    for (let i = 0; i < data.count; i++) {
      if (hidden.has(cluster[i])) continue;
      const distance = (toX(i) - x) ** 2 + (toY(i) - y) ** 2;
      if (distance < least) [best, least] = [i, distance];
    }
    return best;
  }

  const share = (value) => (value / 65535).toFixed(3);
  const clusterName = (number) => (number < 0 ? "unassigned" : `cluster ${number}`);

  function lines(i) {
    const found = [
      data.names[i],
      `${clusterName(cluster[i])}, confidence ${share(confidence[i])}`,
      `next: cluster ${second[i]}, ${share(secondProbability[i])}`,
    ];
    if (truth) {
      const verdict = stateOf(i) === "wrong" ? " (wrong cluster)" : "";
      found.push(`class ${data.classes[truth[i]]}${verdict}`);
    }
    return found;
  }

  function show(i, aloud = false) {
    if (i === shown && !aloud) return;
    shown = i;
    stage.dataset.shown = i < 0 ? "" : data.names[i];
    tip.hidden = i < 0;
    if (i >= 0) {
      tip.replaceChildren();
      if (sheet) {
        const small = document.createElement("canvas");
        small.width = small.height = 2 * data.sheet.side;
        picture(i, 0, 0, small.width, small.getContext("2d"));
        tip.append(small);
      }
      const words = document.createElement("div");
      for (const line of lines(i)) {
        const row = document.createElement("p");
        row.textContent = line;
        words.append(row);
      }
      tip.append(words);
      place();
      if (aloud) byId("map-live").textContent = lines(i).join(". ");
    }
    draw();
  }

  function place() {
    const x = toX(shown), y = toY(shown);
    tip.hidden = x < 0 || y < 0 || x > view.width || y > view.height;
    if (view.width < NARROW) {  // below, where no finger hides it
      tip.style.transform = `translate(8px, ${view.height - tip.offsetHeight - 8}px)`;
      return;
    }
    const left = x + 16 + tip.offsetWidth > view.width ? x - 16 - tip.offsetWidth : x + 16;
    const top = Math.max(4, Math.min(view.height - tip.offsetHeight - 4, y - 30));
    tip.style.transform = `translate(${Math.max(4, left)}px, ${top}px)`;
  }

  function step(by) {
    const among = order.filter((i) => !hidden.has(cluster[i]));
    if (!among.length) return false;
    const at = among.indexOf(shown);
    const next = among[(at + (at < 0 && by < 0 ? 0 : by) + among.length) % among.length];
    const x = toX(next), y = toY(next);
    if (x < 20 || y < 20 || x > view.width - 20 || y > view.height - 20) {
      move(view.width / 2 - x, view.height / 2 - y);
    }
    show(next, true);
    return true;
  }

  new ResizeObserver(resize).observe(stage);
  window.addEventListener("themechange", draw);
  byId("map-colour").addEventListener("change", draw);
  resize();
  return {
    STATES, canvas, cluster, clusterName, colouring, data, draw, hidden, move, nearest, rampColour,
    reset, show, step, truth, view, zoom,
    get shown() { return shown; },
  };
})();

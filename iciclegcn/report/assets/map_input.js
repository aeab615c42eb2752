"use strict";
// Keys, pointers and the legend of the map.
(() => {
  const byId = (id) => document.getElementById(id);
  let pinned = false;

  function release() {
    pinned = false;
    map.show(-1);
  }

  function walk(by) {
    if (map.step(by)) pinned = true;
  }

  map.canvas.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const does = {
      "+": () => map.zoom(1.5), "=": () => map.zoom(1.5), "-": () => map.zoom(1 / 1.5), "0": map.reset,
      ArrowLeft: () => map.move(60, 0), ArrowRight: () => map.move(-60, 0),
      ArrowUp: () => map.move(0, 60), ArrowDown: () => map.move(0, -60),
      n: () => walk(1), p: () => walk(-1),
      Escape: release,
    }[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!does) return;
    event.preventDefault();
    does();
  });

  const pointers = new Map();
  const at = (event) => {
    const box = map.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  let travelled = 0;

  map.canvas.addEventListener("pointerdown", (event) => {
    map.canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, at(event));
    travelled = 0;
  });
  map.canvas.addEventListener("pointermove", (event) => {
    const [x, y] = at(event), before = pointers.get(event.pointerId);
    if (!before) {
      if (!pinned) map.show(map.nearest(x, y, 18));
      return;
    }
    if (pointers.size === 1) {
      travelled += Math.hypot(x - before[0], y - before[1]);
      if (map.view.scale > 1 || event.pointerType === "mouse") map.move(x - before[0], y - before[1]);
    } else {
      const other = [...pointers].find(([id]) => id !== event.pointerId)[1];
      const apart = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]) || 1;
      map.zoom(apart([x, y]) / apart(before), (x + other[0]) / 2, (y + other[1]) / 2);
      travelled += 10;
    }
    pointers.set(event.pointerId, [x, y]);
  });
  const lift = (event) => {
    const tapped = pointers.delete(event.pointerId) && travelled < 6 && event.type === "pointerup";
    if (!tapped) return;
    const found = map.nearest(...at(event), event.pointerType === "mouse" ? 18 : 28);
    pinned = found >= 0;
    map.show(found, found >= 0);
  };
  map.canvas.addEventListener("pointerup", lift);
  map.canvas.addEventListener("pointercancel", lift);
  map.canvas.addEventListener("pointerleave", () => { if (!pinned) map.show(-1); });
  map.canvas.addEventListener("dblclick", (event) => map.zoom(2, ...at(event)));
  map.canvas.addEventListener("wheel", (event) => {
    // A page that scrolls past must not get caught: the wheel zooms once the map is in use.
    if (document.activeElement !== map.canvas && !event.ctrlKey) {
      byId("map-hint").hidden = false;
      return;
    }
    event.preventDefault();
    map.zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), ...at(event));
  }, { passive: false });
  map.canvas.addEventListener("focus", () => { byId("map-hint").hidden = true; });

  function legend() {
    const numbers = [...new Set(map.cluster)].sort((a, b) => a - b);
    const chips = numbers.map((number) => {
      const chip = document.createElement("button");
      chip.type = "button";
      chip.setAttribute("aria-pressed", "true");
      const swatch = document.createElement("span");
      swatch.className = "swatch";
      swatch.style.background = number < 0 ? map.data.unassigned : map.data.colours[number];
      chip.append(swatch, number < 0 ? "unassigned" : String(number));
      chip.setAttribute("aria-label", map.clusterName(number));
      chip.addEventListener("click", () => {
        if (!map.hidden.delete(number)) map.hidden.add(number);
        update();
      });
      chip.addEventListener("dblclick", () => {
        numbers.forEach((each) => map.hidden.add(each));
        map.hidden.delete(number);
        update();
      });
      return chip;
    });
    const all = document.createElement("button");
    all.type = "button";
    all.textContent = "All";
    all.addEventListener("click", () => {
      if (map.hidden.size) map.hidden.clear();
      else numbers.forEach((each) => map.hidden.add(each));
      update();
    });
    const update = () => {
      chips.forEach((chip, at) => chip.setAttribute("aria-pressed", !map.hidden.has(numbers[at])));
      all.textContent = map.hidden.size ? "All" : "None";
      if (map.shown >= 0 && map.hidden.has(map.cluster[map.shown])) release();
      map.draw();
    };
    byId("map-legend").append(...chips, all);
    update();
  }

  byId("map-in").addEventListener("click", () => map.zoom(1.6));
  byId("map-out").addEventListener("click", () => map.zoom(1 / 1.6));
  byId("map-reset").addEventListener("click", map.reset);
  legend();
})();

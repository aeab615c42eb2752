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

  const distinct = (values) => [...new Set(values)].sort((a, b) => a - b);

  function swatch(colour) {
    const made = document.createElement("span");
    made.className = "swatch";
    made.style.background = colour;
    return made;
  }

  function button(does, ...content) {
    const made = document.createElement("button");
    made.type = "button";
    made.append(...content);
    made.addEventListener("click", does);
    return made;
  }

  // A click hides a cluster, in every colouring, or shows it.
  function clusterButtons() {
    const numbers = distinct(map.cluster);
    const update = () => {
      chips.forEach((chip, at) => chip.setAttribute("aria-pressed", !map.hidden.has(numbers[at])));
      all.textContent = map.hidden.size ? "All" : "None";
      if (map.shown >= 0 && map.hidden.has(map.cluster[map.shown])) release();
      map.draw();
    };
    const chips = numbers.map((number) => {
      const colour = number < 0 ? map.data.unassigned : map.data.colours[number];
      const chip = button(() => {
        if (!map.hidden.delete(number)) map.hidden.add(number);
        update();
      }, swatch(colour), number < 0 ? "unassigned" : String(number));
      chip.setAttribute("aria-label", map.clusterName(number));
      chip.addEventListener("dblclick", () => {
        numbers.forEach((each) => map.hidden.add(each));
        map.hidden.delete(number);
        update();
      });
      return chip;
    });
    const all = button(() => {
      if (map.hidden.size) map.hidden.clear();
      else numbers.forEach((each) => map.hidden.add(each));
      update();
    });
    update();
    return [...chips, all];
  }

  // Colours that are only to be read, and a way back to clusters that are hidden.
  function key(entries) {
    const list = document.createElement("ul");
    for (const entry of entries) {
      const item = document.createElement("li");
      item.append(...entry);
      list.append(item);
    }
    if (!map.hidden.size) return [list];
    const back = button(() => {
      map.hidden.clear();
      map.draw();
      legend();
      byId("map-colour").focus();  // the button is gone
    }, `Show all clusters (${map.hidden.size} hidden)`);
    return [list, back];
  }

  function ramp() {
    const made = document.createElement("span");
    const stops = Array.from({ length: 11 }, (_, step) => map.rampColour(step / 10));
    made.className = "ramp";
    made.style.background = `linear-gradient(90deg, ${stops.join(", ")})`;
    return made;
  }

  const legends = {
    cluster: ["Clusters shown", clusterButtons],
    class: ["Colours of the classes", () => key(distinct(map.truth).map(
      (number) => [swatch(map.data.classColours[number]), map.data.classes[number]]))],
    right: ["Colours of right and wrong", () => key(Object.keys(map.STATES)
      .filter((state) => state !== "unassigned" || map.cluster.includes(-1))
      .map((state) => [swatch(map.STATES[state]((name) => `var(${name})`)), state]))],
    confidence: ["Colours of the confidence", () => key([["0, unsure", ramp(), "1, sure"]])],
  };

  function legend() {
    const [label, content] = legends[map.colouring()];
    const place = byId("map-legend");
    place.replaceChildren(...content());
    place.setAttribute("aria-label", label);
    // Keys scroll a long list only where it can have the focus; buttons have it themselves.
    if (place.scrollHeight > place.clientHeight && !place.querySelector("button")) place.tabIndex = 0;
    else place.removeAttribute("tabindex");
  }

  byId("map-in").addEventListener("click", () => map.zoom(1.6));
  byId("map-out").addEventListener("click", () => map.zoom(1 / 1.6));
  byId("map-reset").addEventListener("click", map.reset);
  byId("map-colour").addEventListener("change", legend);
  legend();
})();

// The application: which charts are shown, and what may be done with them.

import { Pane } from './pane.js';
import { Search } from './search.js';
import { press } from './keys.js';
import { fill, reflect, signs, wire } from './controls.js';
import { dress } from './palette.js';
import { read, written } from './link.js';
import { savePng, saveSvg } from './save.js';
import { ROW } from './view.js';
import { follow } from './live.js';

class App {
  constructor({ charts, beside, live }) {
    this.charts = charts;
    this.search = new Search(this);
    this.dark = matchMedia('(prefers-color-scheme: dark)');
    this.chosen = null; // A theme that was asked for.
    this.sizes = new ResizeObserver(() => this.redraw());
    dress(this.theme);
    this.dark.addEventListener('change', () => this.dressed());
    wire(this);
    this.choose(0, beside);
    read(this, location.hash);
    this.redraw();
    document.addEventListener('keydown', (event) => press(this, event));
    addEventListener('hashchange', () => {
      if (location.hash === this.link) return;
      read(this, location.hash);
      this.redraw();
    });
    if (live) follow(this, live);
  }

  get theme() { return this.chosen ?? (this.dark.matches ? 'dark' : 'light'); }

  /** Rows in a page. */
  get page() { return Math.max(1, Math.floor(this.pane.view.height / ROW) - 2); }

  /** Shows a chart, and another beside it, by their numbers. */
  choose(left, right) {
    [this.left, this.right] = [left, right ?? null];
    const shown = this.right === null ? [left] : [left, this.right];
    this.panes = shown.map((number) => new Pane(this.charts[number], this));
    [this.pane] = this.panes;
    const main = document.getElementById('panes');
    main.replaceChildren(...this.panes.map((pane) => pane.element));
    main.className = this.panes.length > 1 ? 'two' : 'one';
    document.title = `${this.panes.map((pane) => pane.model.chart.title).join(' | ')} – shootdown viewer`;
    this.search.kept.clear();
    this.sizes.disconnect();
    this.panes.forEach((pane) => this.sizes.observe(pane.canvas));
    fill(this);
    this.redraw();
  }

  /** Draws with the next frame, once however often it is asked. */
  redraw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.draw();
    });
  }

  draw() {
    for (const pane of this.panes) {
      pane.draw();
      pane.element.classList.toggle('attended', pane === this.pane && this.panes.length > 1);
      if (pane.told !== pane.view.cursor) {
        pane.told = pane.view.cursor;
        pane.tell();
        if (pane === this.pane) document.getElementById('said').textContent = pane.sentence();
      }
    }
    reflect(this);
    clearTimeout(this.linking);
    this.linking = setTimeout(() => this.relink(), 150);
  }

  /** Writes the link to this moment into the address. */
  relink() {
    this.link = written(this);
    if (location.hash !== this.link) history.replaceState(null, '', this.link);
  }

  attend(pane) {
    this.pane = pane;
    this.redraw();
  }

  go(pane, event) {
    this.pane = pane;
    pane.view.go(event);
    this.redraw();
  }

  step(by) {
    this.pane.view.step(by);
    this.redraw();
  }

  /** Steps within the cursor's lane. */
  along(direction) {
    const { view, model } = this.pane;
    const cpu = model.cpu[view.cursor];
    view.seek(direction, (event) => model.cpu[event] === cpu);
    this.redraw();
  }

  end(direction) {
    const { rows } = this.pane.view;
    if (rows.length) this.go(this.pane, rows[direction > 0 ? rows.length - 1 : 0]);
  }

  /** To the next shootdown's beginning. */
  shootdown(direction) {
    const { view, model } = this.pane;
    const begins = new Set(model.chart.shootdowns.map((shootdown) => shootdown.begin));
    view.seek(direction, (event) => begins.has(event));
    this.redraw();
  }

  /** To the next event of certain looks. */
  seek(direction, looks) {
    const { view, model } = this.pane;
    view.seek(direction, (event) => looks.includes(model.look[event]));
    this.redraw();
  }

  /** Zooms all charts by a factor; 0 shows everything. */
  enlarge(factor) {
    for (const { view } of this.panes) view.enlarge(factor);
    this.redraw();
  }

  legible() {
    const { view: one } = this.pane;
    this.alike(one.axis === 'order' ? ROW : one.legible());
  }

  setAxis(axis) {
    for (const { view } of this.panes) view.setAxis(axis);
    this.alike(this.pane.view.zoom);
  }

  /** Draws all charts to one scale, so that they can be compared. */
  alike(zoom) {
    for (const { view } of this.panes) {
      view.enlarge(zoom / view.zoom);
      view.follow();
    }
    this.redraw();
  }

  turnAxis() { this.setAxis(this.pane.view.axis === 'order' ? 'time' : 'order'); }

  filter(change) {
    for (const { view } of this.panes) {
      change(view);
      view.filter();
      view.follow();
    }
    this.redraw();
  }

  showCpu(cpu, shown) {
    this.filter((view) => (shown ? view.hidden.delete(cpu) : view.hidden.add(cpu)));
  }

  showName(name, shown) {
    for (const { view, model } of this.panes) {
      const number = model.chart.names.indexOf(name);
      const names = view.names ?? new Set(model.chart.names.keys());
      if (shown) names.add(number); else names.delete(number);
      view.names = names.size === model.chart.names.length ? null : names;
    }
    this.filter(() => {});
  }

  /** Shows events of these names only, by their numbers; null for all. */
  showNames(names) { this.filter((view) => { view.names = names && new Set(names); }); }

  clear() {
    this.search.set('');
    document.getElementById('search').value = '';
    document.getElementById('generation').value = '';
    this.filter((view) => view.clear());
  }

  focus(id) {
    const field = document.getElementById(id);
    const menu = field.closest('details');
    if (menu) menu.open = true;
    field.focus();
    field.select();
  }

  /** Back to the lanes. */
  leave() { this.pane.canvas.focus(); }

  other() {
    if (this.panes.length < 2) return;
    this.pane = this.panes[this.pane === this.panes[0] ? 1 : 0];
    this.leave();
    this.redraw();
  }

  /** Goes to the first event in which the two charts differ. */
  difference() {
    if (this.panes.length < 2) return;
    const [a, b] = this.panes;
    const same = (event) => a.model.cpu[event] === b.model.cpu[event]
      && a.model.nameOf(event) === b.model.nameOf(event) && a.model.textOf(event) === b.model.textOf(event);
    const shorter = Math.min(a.model.count, b.model.count);
    let event = 0;
    while (event < shorter && same(event)) event++;
    if (event === shorter && a.model.count === b.model.count) {
      document.getElementById('said').textContent = 'The charts do not differ.';
      document.getElementById('matches').textContent = 'no difference';
      return;
    }
    a.view.go(Math.min(event, a.model.count - 1));
    b.view.go(Math.min(event, b.model.count - 1));
    this.redraw();
  }

  turnTheme() {
    this.chosen = this.theme === 'dark' ? 'light' : 'dark';
    this.dressed();
  }

  dressed() {
    dress(this.theme);
    signs(this);
    this.panes.forEach((pane) => pane.surfaces());
    this.redraw();
  }

  save(kind) { (kind === 'svg' ? saveSvg : savePng)(this.pane); }

  async copyLink() {
    this.relink();
    const said = document.getElementById('said');
    try {
      await navigator.clipboard.writeText(location.href);
      said.textContent = 'The link is copied.';
    } catch {
      said.textContent = 'The link is in the address bar.';
    }
  }

  help() { document.getElementById('help').showModal(); }

  /** Shows a newer chart in place of the first, the cursor at its end if it was there; its events count from `first`. */
  renew(chart, first) {
    const { view, model } = this.panes[0];
    const [at, last] = [view.cursor, view.cursor >= model.count - 1];
    const { axis, zoom, hidden, generation } = view;
    this.charts[this.left] = chart;
    this.choose(this.left, this.right);
    const { view: newer, model: now } = this.panes[0];
    Object.assign(newer, { hidden, generation });
    newer.filter();
    newer.setAxis(axis);
    newer.zoom = zoom;
    newer.go(last ? now.count - 1 : Math.max(0, at - (first - (this.first ?? 0))));
    this.first = first;
  }
}

globalThis.viewer = new App(JSON.parse(document.getElementById('charts').textContent));

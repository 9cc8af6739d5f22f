// One chart on the page: its lanes, its overview, its panel, its cursor.

import { Model } from './model.js';
import { View, ROW } from './view.js';
import { HEAD, Painter, grouped } from './paint.js';
import { overview } from './overview.js';
import { CanvasSurface, SvgSurface } from './surface.js';
import { palette } from './palette.js';
import { badge, panel } from './panel.js';

export class Pane {
  constructor(chart, app) {
    this.app = app;
    this.model = new Model(chart);
    this.view = new View(this.model);
    const part = document.getElementById('pane').content.cloneNode(true);
    this.element = part.querySelector('.pane');
    this.canvas = part.querySelector('.lanes');
    this.strip = part.querySelector('.overview');
    this.element.querySelector('h2').textContent = chart.title;
    this.canvas.setAttribute('aria-label', `Lanes of ${chart.title}: arrow keys step through ${this.model.count} events`);
    this.strip.setAttribute('aria-label', 'Where in the whole this is');
    this.element.setAttribute('aria-label', chart.title);
    this.facts();
    this.surfaces();
    this.listen();
  }

  /** The surfaces of the canvases, which keep what they need from frame to frame. */
  surfaces() {
    const scale = globalThis.devicePixelRatio || 1;
    const surface = (canvas) => new CanvasSurface(canvas.getContext('2d'), scale);
    [this.lanes, this.whole] = [surface(this.canvas), surface(this.strip)];
  }

  facts() {
    const { chart, count } = this.model;
    const list = this.element.querySelector('.facts');
    const facts = [...chart.facts, ['events', grouped(count)], ['shootdowns', grouped(chart.shootdowns.length)]];
    list.before(...badge(this));
    list.replaceChildren();
    facts.forEach(([name, value], at) => {
      const strong = document.createElement('b');
      strong.textContent = value;
      list.append(at ? ' · ' : '', `${name} `, strong);
    });
  }

  listen() {
    const { canvas, strip, view } = this;
    canvas.addEventListener('pointerdown', (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.drag = { y: event.offsetY, top: view.top, moved: false };
    });
    canvas.addEventListener('pointermove', (event) => {
      if (!this.drag) return;
      const by = event.offsetY - this.drag.y;
      if (Math.abs(by) > 4) this.drag.moved = true;
      if (this.drag.moved) { view.top = this.drag.top - by; view.settle(); this.app.redraw(); }
    });
    canvas.addEventListener('pointerup', (event) => {
      if (this.drag && !this.drag.moved) this.pick(event.offsetX, event.offsetY);
      this.drag = null;
    });
    canvas.addEventListener('focus', () => this.app.attend(this));
    canvas.addEventListener('wheel', (event) => {
      event.preventDefault();
      if (event.ctrlKey || event.metaKey) view.enlarge(Math.exp(-event.deltaY / 300), event.offsetY - HEAD);
      else { view.top += event.deltaY; view.settle(); }
      this.app.redraw();
    }, { passive: false });
    const scroll = (event) => {
      if (!event.buttons) return;
      view.top = (event.offsetY / strip.clientHeight) * view.length - view.height / 2;
      view.settle();
      this.app.redraw();
    };
    strip.addEventListener('pointerdown', (event) => { strip.setPointerCapture(event.pointerId); scroll(event); });
    strip.addEventListener('pointermove', scroll);
  }

  /** Puts the cursor on the event nearest to a place of the canvas, of the lane there if it has one near. */
  pick(x, y) {
    const { view, model } = this;
    const place = y - HEAD + view.top - ROW / 2;
    const near = view.rowAt(place + view.zoom / 2);
    const painter = this.painter(this.lanes, this.canvas.clientWidth, this.canvas.clientHeight);
    const lane = painter.lanes.findLast((cpu) => painter.x.get(cpu) <= x);
    let best = null;
    for (let row = Math.max(near - 60, 0); row <= near + 60 && row < view.rows.length; row++) {
      const event = view.rows[row];
      const far = Math.abs(view.at(event) - place) + (model.cpu[event] === lane ? 0 : ROW);
      if (best === null || far < best.far) best = { event, far };
    }
    if (best) this.app.go(this, best.event);
  }

  painter(surface, width, height) {
    return new Painter(this.view, surface, palette(this.app.theme), width, height);
  }

  draw() {
    const scale = this.lanes.scale;
    const [width, height] = fit(this.canvas, scale);
    const sized = this.view.height !== Math.max(height - HEAD, ROW);
    this.view.height = Math.max(height - HEAD, ROW);
    if (sized) this.view.follow();
    this.lanes.context.setTransform(scale, 0, 0, scale, 0, 0);
    this.lanes.font = null;
    this.painter(this.lanes, width, height).paint(this.app.search.matcher(this));
    const [narrow, tall] = fit(this.strip, scale);
    this.whole.context.setTransform(scale, 0, 0, scale, 0, 0);
    overview(this.view, this.whole, palette(this.app.theme), narrow, tall, this.app.search.found(this));
  }

  /** Tells of the cursor, beside the lanes. */
  tell() { panel(this); }

  /** What is in sight, as SVG. */
  svg() {
    const [width, height] = [Math.max(this.canvas.clientWidth, 200), Math.max(this.canvas.clientHeight, 100)];
    const surface = new SvgSurface(width, height);
    this.painter(surface, width, height).paint(this.app.search.matcher(this));
    const [first, last] = this.view.window;
    const lanes = this.view.lanes.map((cpu) => `CPU ${cpu}`).join(', ');
    return surface.document(this.model.chart.title, `Lanes of ${lanes}; events ${this.view.rows[first] ?? 0} to ${this.view.rows[last - 1] ?? 0}. ${this.sentence()}`);
  }

  /** The event at the cursor, in a sentence. */
  sentence() {
    const { model, view } = this;
    const event = view.cursor;
    return `Event ${event}: CPU ${model.cpu[event]}, ${model.nameOf(event)}${model.textOf(event) ? `: ${model.textOf(event)}` : ''}`;
  }
}

/** Makes a canvas as large as it is shown; its size in pixels of the page. */
function fit(canvas, scale) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const [wide, high] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== wide || canvas.height !== high) Object.assign(canvas, { width: wide, height: high });
  return [width, height];
}

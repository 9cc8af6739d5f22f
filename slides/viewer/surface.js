// Two surfaces with the same few operations, so that what is saved is what is seen: a canvas, and SVG.

const MONO = 'ui-monospace, "DejaVu Sans Mono", "Liberation Mono", monospace';
const SANS = 'system-ui, "DejaVu Sans", sans-serif';
/** The side of a pattern's tile, in pixels. */
const TILE = 8;

/** The strokes of a pattern's tile, as lines or dots. */
const PATTERNS = {
  shade: [[-2, 10, 10, -2, 1.3]],
  cross: [[-2, 10, 10, -2, 1.6], [-2, -2, 10, 10, 1.6]],
  dots: [[2, 2, 2.01, 2, 2.6], [6, 6, 6.01, 6, 2.6]],
};

function font({ size = 13, bold = false, mono = false }) {
  return `${bold ? 600 : 400} ${size}px ${mono ? MONO : SANS}`;
}

export class CanvasSurface {
  constructor(context, scale) {
    this.context = context;
    this.scale = scale;
    this.tiles = new Map();
  }

  rect(x, y, w, h, colour, alpha = 1) {
    const { context } = this;
    context.globalAlpha = alpha;
    context.fillStyle = colour;
    context.fillRect(x, y, w, h);
    context.globalAlpha = 1;
  }

  pattern(x, y, w, h, kind, colour) {
    const key = `${kind} ${colour}`;
    if (!this.tiles.has(key)) this.tiles.set(key, this.tile(kind, colour));
    this.rect(x, y, w, h, this.tiles.get(key));
  }

  tile(kind, colour) {
    const tile = new OffscreenCanvas(TILE * this.scale, TILE * this.scale);
    const context = tile.getContext('2d');
    context.scale(this.scale, this.scale);
    context.strokeStyle = colour;
    context.lineCap = 'round';
    for (const [x1, y1, x2, y2, width] of PATTERNS[kind]) {
      context.lineWidth = width;
      context.beginPath();
      context.moveTo(x1, y1);
      context.lineTo(x2, y2);
      context.stroke();
    }
    const pattern = this.context.createPattern(tile, 'repeat');
    pattern.setTransform(new DOMMatrix().scale(1 / this.scale));
    return pattern;
  }

  line(x1, y1, x2, y2, colour, width = 1, dash = []) {
    const { context } = this;
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.setLineDash(dash);
    context.beginPath();
    context.moveTo(x1, y1);
    context.lineTo(x2, y2);
    context.stroke();
  }

  shape(points, colour) {
    const { context } = this;
    context.fillStyle = colour;
    context.beginPath();
    points.forEach(([x, y], at) => (at ? context.lineTo(x, y) : context.moveTo(x, y)));
    context.fill();
  }

  circle(x, y, r, fill, stroke = null) {
    const { context } = this;
    context.beginPath();
    context.arc(x, y, r, 0, 7);
    if (fill) { context.fillStyle = fill; context.fill(); }
    if (stroke) { context.strokeStyle = stroke; context.lineWidth = 2; context.setLineDash([]); context.stroke(); }
  }

  text(x, y, words, colour, style = {}) {
    const { context } = this;
    const wanted = font(style);
    if (this.font !== wanted) { context.font = wanted; this.font = wanted; }
    context.textAlign = style.align || 'start';
    context.textBaseline = 'middle';
    if (style.halo) {
      context.strokeStyle = style.halo;
      context.lineWidth = 4;
      context.lineJoin = 'round';
      context.setLineDash([]);
      context.strokeText(words, x, y);
    }
    context.fillStyle = colour;
    context.fillText(words, x, y);
  }

  clip(x, y, w, h, draw) {
    const { context } = this;
    context.save();
    context.beginPath();
    context.rect(x, y, w, h);
    context.clip();
    this.font = null;
    draw();
    context.restore();
    this.font = null;
  }
}

export class SvgSurface {
  constructor(width, height) {
    this.size = [width, height];
    this.parts = [];
    this.tiles = new Map();
    this.clips = 0;
  }

  add(name, attributes, content = '') {
    const list = Object.entries(attributes).filter(([, value]) => value !== null && value !== undefined);
    const text = list.map(([key, value]) => ` ${key}="${escape(typeof value === 'number' ? round(value) : value)}"`).join('');
    this.parts.push(content ? `<${name}${text}>${content}</${name}>` : `<${name}${text}/>`);
  }

  rect(x, y, w, h, colour, alpha = 1) {
    this.add('rect', { x, y, width: Math.max(w, 0), height: Math.max(h, 0), fill: colour, 'fill-opacity': alpha === 1 ? null : alpha });
  }

  pattern(x, y, w, h, kind, colour) {
    const key = `${kind} ${colour}`;
    if (!this.tiles.has(key)) this.tiles.set(key, `tile${this.tiles.size}`);
    this.rect(x, y, w, h, `url(#${this.tiles.get(key)})`);
  }

  line(x1, y1, x2, y2, colour, width = 1, dash = []) {
    this.add('line', { x1, y1, x2, y2, stroke: colour, 'stroke-width': width, 'stroke-dasharray': dash.length ? dash.join(' ') : null });
  }

  shape(points, colour) {
    this.add('polygon', { points: points.map(([x, y]) => `${round(x)},${round(y)}`).join(' '), fill: colour });
  }

  circle(cx, cy, r, fill, stroke = null) {
    this.add('circle', { cx, cy, r, fill: fill || 'none', stroke, 'stroke-width': stroke ? 2 : null });
  }

  text(x, y, words, colour, style = {}) {
    const anchor = { center: 'middle', end: 'end' }[style.align] || null;
    this.add('text', {
      x, y, fill: colour, 'font-size': style.size || 13, 'font-weight': style.bold ? 600 : null,
      'font-family': style.mono ? MONO : SANS, 'text-anchor': anchor, 'dominant-baseline': 'central',
      stroke: style.halo || null, 'stroke-width': style.halo ? 4 : null, 'paint-order': style.halo ? 'stroke' : null,
      'stroke-linejoin': style.halo ? 'round' : null,
    }, escape(words));
  }

  clip(x, y, w, h, draw) {
    const id = `clip${this.clips++}`;
    this.parts.push(`<clipPath id="${id}"><rect x="${round(x)}" y="${round(y)}" width="${round(w)}" height="${round(h)}"/></clipPath><g clip-path="url(#${id})">`);
    draw();
    this.parts.push('</g>');
  }

  /** The picture, with a title and a description for who cannot see it. */
  document(title, description) {
    const tiles = [...this.tiles].map(([key, id]) => {
      const [kind, colour] = key.split(' ');
      const lines = PATTERNS[kind].map(([x1, y1, x2, y2, width]) => (
        `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" stroke="${colour}" stroke-width="${width}" stroke-linecap="round"/>`));
      return `<pattern id="${id}" width="${TILE}" height="${TILE}" patternUnits="userSpaceOnUse">${lines.join('')}</pattern>`;
    });
    const [width, height] = this.size;
    return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-labelledby="t d">`
      + `<title id="t">${escape(title)}</title><desc id="d">${escape(description)}</desc>`
      + `<defs>${tiles.join('')}</defs>${this.parts.join('\n')}</svg>\n`;
  }
}

function round(value) {
  return Math.round(value * 100) / 100;
}

function escape(text) {
  const names = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };
  // Characters that XML has no place for become the one that stands for them.
  return String(text).replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]/g, '\ufffd').replace(/[&<>"]/g, (character) => names[character]);
}

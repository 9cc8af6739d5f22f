// The strip beside the lanes: the whole chart, with what is in sight, what is stale, faults, and what was found.

const LANE = 4;

/** Draws it; `found` are rising numbers of events. */
export function overview(view, surface, colours, width, height, found) {
  const { model } = view;
  surface.rect(0, 0, width, height, colours.lane);
  const whole = view.length;
  const y = (event) => (view.at(event) / whole) * height;
  density(view, surface, colours, height, width - 14);
  for (const cpu of view.lanes) {
    let painted = -1;
    model.spans.get(cpu).get('stale')?.meeting(0, model.count, (span, from, to) => {
      const bottom = y(to);
      if (bottom - painted < 1) return;
      painted = bottom;
      surface.rect(0, y(from), width, Math.max(bottom - y(from), 2), colours.stale, 0.45);
    });
  }
  for (const event of model.notable) {
    surface.rect(width - 12, y(event) - 1.5, 12, 3, model.look[event] === 'f' ? colours.fault : colours.stale);
  }
  let last = -9;
  for (const event of found) {
    if (y(event) - last >= 2) { last = y(event); surface.rect(0, last, 9, 2, colours.focus); }
  }
  const top = (view.top / whole) * height;
  const size = Math.max((view.height / whole) * height, 6);
  surface.rect(0, top, width, size, colours.ink, 0.14);
  for (const line of [top, top + size]) surface.line(0, line, width, line, colours.ink, 1.5);
  const cursor = y(view.cursor);
  surface.line(0, cursor, width, cursor, colours.focus, 2.5);
}

/** How much happens where, in bars of pixels. */
function density(view, surface, colours, height, width) {
  const bars = Math.ceil(height / 2);
  const counts = new Float64Array(bars);
  const whole = view.length;
  const stride = Math.max(1, Math.floor(view.rows.length / 20000));
  for (let row = 0; row < view.rows.length; row += stride) {
    const bar = Math.floor((view.at(view.rows[row]) / whole) * bars);
    counts[Math.min(bar, bars - 1)] += 1;
  }
  const most = Math.max(...counts, 1);
  counts.forEach((count, bar) => {
    if (count) surface.rect(2, bar * 2, Math.max((count / most) * (width - 2), LANE), 1.5, colours.other, 0.55);
  });
}

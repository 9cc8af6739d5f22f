// Saving what is seen.

/** Offers a file of the page's own making. */
export function offer(name, blob) {
  const address = URL.createObjectURL(blob);
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

export function saveSvg(pane) {
  offer(`${file(pane)}.svg`, new Blob([pane.svg()], { type: 'image/svg+xml' }));
}

export function savePng(pane) {
  pane.canvas.toBlob((blob) => offer(`${file(pane)}.png`, blob), 'image/png');
}

function file(pane) {
  const name = pane.model.chart.title.replace(/[^A-Za-z0-9]+/g, '-').replace(/^-|-$/g, '').slice(0, 60);
  return `${name || 'chart'}-${pane.view.cursor}`;
}

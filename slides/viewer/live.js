// Following a machine that runs: what is new is asked for, over the address that the page came from.

/** How long to wait before asking again, in milliseconds. */
const PAUSE = 300;

/** Follows; `live` is the path under which the machine answers. */
export function follow(app, live) {
  const serial = document.getElementById('serial');
  const line = document.getElementById('line');
  document.getElementById('console').hidden = false;
  const typed = [];
  let back = 0;
  line.addEventListener('keydown', (event) => {
    if (event.key !== 'ArrowUp' && event.key !== 'ArrowDown') return;
    event.preventDefault();
    back = Math.min(Math.max(back + (event.key === 'ArrowUp' ? 1 : -1), 0), typed.length);
    line.value = typed[typed.length - back] ?? '';
  });
  document.getElementById('typing').addEventListener('submit', (event) => {
    event.preventDefault();
    fetch(`${live}/type`, { method: 'POST', body: `${line.value}\n` });
    if (line.value) typed.push(line.value);
    back = 0;
    line.value = '';
  });
  app.end(1); // What is new is followed from there.
  let [read, events] = [0, -1];
  const ask = async () => {
    try {
      const answer = await fetch(`${live}/news?read=${read}&events=${events}`);
      if (!answer.ok) throw new Error(answer.statusText);
      const news = await answer.json();
      if (news.serial) {
        const end = serial.scrollTop + serial.clientHeight > serial.scrollHeight - 8;
        serial.textContent = shown(serial.textContent + news.serial);
        if (end) serial.scrollTop = serial.scrollHeight;
      }
      read = news.read;
      if (news.chart) { events = news.events; app.renew(news.chart, news.first); }
      if (news.over) {
        serial.textContent += `\n[${news.over}]\n`;
        serial.scrollTop = serial.scrollHeight;
        return;
      }
    } catch {
      serial.textContent += '\n[kit is gone]\n';
      return;
    }
    setTimeout(ask, PAUSE);
  };
  ask();
}

/** What a terminal would show: without the sequences that move and colour, backspaces done. */
function shown(text) {
  let plain = text.replace(/\x1b\[[0-9;?]*[A-Za-z]/g, '').replace(/\r/g, '');
  while (/[^\n]\x08/.test(plain)) plain = plain.replace(/[^\n]\x08/g, '');
  return plain.slice(-100_000);
}

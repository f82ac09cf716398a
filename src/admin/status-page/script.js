/** Asks `/status` each second and shows the answer. Rows stay while their values change, so that a button keeps its focus. */

const POLL_MS = 1_000;
const TIMEOUT_MS = 5_000;
/** Of a lifetime whose ends are on two days, mostly. */
const HALF_DAY_SECONDS = 43_200;

const byId = (id) => document.getElementById(id);

/** What a cell shows: a text, or a text with a tone and a second line. */
const toned = (tone, text, more) => ({ tone, text, more });

function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const parts = [
    [Math.floor(whole / 86_400), 'd'],
    [Math.floor(whole / 3_600) % 24, 'h'],
    [Math.floor(whole / 60) % 60, 'm'],
    [whole % 60, 's'],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first === -1) return '0s';
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => count + unit)
    .join(' ');
}

const secondsBetween = (from, to) => (Date.parse(to) - Date.parse(from)) / 1000;
const ago = (instant, now) => `${duration(secondsBetween(instant, now))} ago`;
const within = (instant, now) => (Date.parse(instant) > Date.parse(now) ? `in ${duration(secondsBetween(now, instant))}` : 'now');
const timeOfDay = (instant) => new Date(instant).toLocaleTimeString();
const dateAndTime = (instant) => new Date(instant).toLocaleString();

function failure(last, now, isPast) {
  if (last === undefined) return toned('dim', 'none');
  return toned(isPast ? 'dim' : 'bad', last.code, ago(last.at, now));
}

/** Of those that are served. That one has ended, since nobody needed it, is no trouble by itself. */
const TOKEN_TONES = { fresh: 'good', renewing: 'warn' };

function tokenCells(token, now) {
  const name = toned('', token.name, `${token.grant} at ${token.authorizationServer}`);
  const actions = { token: token.name, actions: token.perCaller ? ['purge'] : ['renew', 'purge'] };
  if (token.perCaller) {
    const state = toned('', `${token.callers} kept`, 'one for each caller');
    return [name, state, '', '', 'by its caller', String(token.waiting), '', actions];
  }
  const { held, lastFailure, nextRenewalAt } = token;
  const isPast = held !== undefined && lastFailure !== undefined && held.obtainedAt > lastFailure.at;
  return [
    name,
    toned(
      TOKEN_TONES[token.state] ?? (lastFailure === undefined || isPast ? 'dim' : 'bad'),
      token.state,
      token.obtaining ? 'being obtained' : held?.fingerprint,
    ),
    held === undefined ? '' : { bar: held, now },
    held === undefined ? '' : held.secondsLeft > 0 ? duration(held.secondsLeft) : `ended ${ago(held.expiresAt, now)}`,
    token.obtaining ? 'now' : nextRenewalAt === undefined ? 'when needed' : within(nextRenewalAt, now),
    String(token.waiting),
    failure(lastFailure, now, isPast),
    actions,
  ];
}

function upstreamCells(upstream, now) {
  const { route, origin, open, idle, queued, recentFailures, lastFailure } = upstream;
  const count = recentFailures > 0 ? toned('bad', String(recentFailures)) : '0';
  return [route, origin, String(open), String(idle), String(queued), count, failure(lastFailure, now, recentFailures === 0)];
}

function serverCells({ name, breaker, openUntil, metadata }, now) {
  const state = openUntil === undefined ? breaker : `${breaker}, tried again ${within(openUntil, now)}`;
  const age = metadata?.readAt === undefined ? 'not read yet' : `read ${ago(metadata.readAt, now)}`;
  const document = metadata?.failing ? toned('bad', `${age}; the last try failed`) : age;
  return [name, toned(breaker === 'closed' ? 'good' : 'bad', state), metadata === undefined ? 'in the config' : document];
}

function listenerCells({ name, serve, address, connections, draining }) {
  const state = draining ? toned('warn', 'draining') : address === undefined ? toned('dim', 'not bound') : toned('good', 'accepting');
  return [name, serve, address ?? '', state, String(connections)];
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** A child that is there once, whatever is shown. */
function part(parent, tag, className = '') {
  const found = [...parent.children].find((child) => child.localName === tag && (className === '' || child.classList.contains(className)));
  if (found !== undefined) return found;
  const made = document.createElement(tag);
  if (className !== '') made.classList.add(className);
  parent.append(made);
  return made;
}

function showBar(cell, held, now) {
  const box = part(cell, 'div');
  const bar = part(box, 'div', 'bar');
  const place = (instant) => Math.min(100, (100 * secondsBetween(held.obtainedAt, instant)) / held.lifetimeSeconds);
  const [renewal, margin, spent] = [place(held.renewFrom), place(held.unusableFrom), place(now)];
  const spread = (name, left, width) => Object.assign(part(bar, 'span', name).style, { left: `${left}%`, width: `${width}%` });
  spread('renewal', renewal, margin - renewal);
  spread('margin', margin, 100 - margin);
  spread('spent', 0, spent);
  part(bar, 'span', 'now').style.left = `${spent}%`;
  const after = (instant) => duration(secondsBetween(held.obtainedAt, instant));
  bar.setAttribute('role', 'img');
  bar.setAttribute(
    'aria-label',
    `${after(now)} of ${duration(held.lifetimeSeconds)} are over; renewed from ${after(held.renewFrom)}, not sent from ${after(held.unusableFrom)}`,
  );
  const ends = part(box, 'div', 'ends');
  const written = held.lifetimeSeconds < HALF_DAY_SECONDS ? timeOfDay : dateAndTime;
  setText(part(ends, 'span', 'from'), written(held.obtainedAt));
  setText(part(ends, 'span', 'to'), written(held.expiresAt));
}

function showActions(cell, token, actions) {
  const box = part(cell, 'div', 'actions');
  for (const action of actions) {
    if (box.querySelector(`.${action}`) !== null) continue;
    const button = part(box, 'button', action);
    button.type = 'button';
    button.textContent = action;
    button.setAttribute('aria-label', `${action} ${token}`);
    button.addEventListener('click', () => act(button, token, action));
  }
}

function show(cell, value) {
  if (value.bar !== undefined) return showBar(cell, value.bar, value.now);
  if (value.actions !== undefined) return showActions(cell, value.token, value.actions);
  const { tone = '', text, more } = typeof value === 'string' ? { text: value } : value;
  if (cell.querySelector('.bar') !== null) cell.replaceChildren();
  const main = part(cell, 'span');
  setText(main, text);
  main.dataset.tone = tone;
  if (more !== undefined) setText(part(cell, 'small'), more);
  else cell.querySelector('small')?.remove();
}

/** @param rows the texts of each row, its name first */
function fill(id, rows) {
  const body = byId(id);
  const section = body.closest('section');
  section.hidden = rows.length === 0;
  section.querySelector('table').role = 'table';
  const labels = [...section.querySelectorAll('thead th')].map((heading) => heading.textContent);
  while (body.children.length > rows.length) body.lastElementChild.remove();
  for (const [index, cells] of rows.entries()) {
    const row = body.children[index] ?? body.appendChild(document.createElement('tr'));
    const key = JSON.stringify(typeof cells[0] === 'string' ? cells[0] : cells[0].text);
    if (row.dataset.key !== key) row.replaceChildren();
    row.role = 'row';
    row.dataset.key = key;
    for (const [column, value] of cells.entries()) {
      const cell = row.children[column] ?? row.appendChild(document.createElement(column === 0 ? 'th' : 'td'));
      // On a narrow screen it is no table to look at, but still one to listen to.
      cell.role = column === 0 ? 'rowheader' : 'cell';
      cell.dataset.label = labels[column];
      show(cell, value);
    }
  }
}

function storeText({ kind, snapshot, state, lostAt }, now) {
  const where = `${kind === 'redis' ? 'Redis' : 'memory'}${snapshot ? ' and a snapshot' : ''}`;
  if (kind === 'memory') return toned('', where);
  return state === 'working' ? toned('good', `${where}, working`) : toned('bad', `${where}, lost ${ago(lostAt, now)}: memory alone serves`);
}

/** One stands for all keys that name the same file. */
function keysOf({ key, otherKeys }) {
  return otherKeys.length === 0 ? key : `${key} and ${otherKeys.length} more`;
}

/** Those that need somebody. */
function certificatesOf({ certificates, now }) {
  const texts = {
    future: ({ notBefore, effect }) => toned('bad', `not good before ${notBefore}; until then ${effect}`),
    ending: ({ notAfter, effect }) => toned('warn', `ends at ${notAfter}; from then on ${effect}`),
    ended: ({ notAfter, effect }) => toned('bad', `ended ${ago(notAfter, now)}: ${effect}`),
  };
  return certificates
    .filter(({ state }) => state in texts)
    .map((certificate) => [keysOf(certificate), texts[certificate.state](certificate)]);
}

/** Of what is mostly nothing. */
function countsOf({ faults, reloadFailures, earlierConfigs }) {
  const counts = [
    [toned('bad', 'Mistakes of ours: please report them'), faults],
    ['Changed files that could not be used', reloadFailures],
    ['Earlier configs with requests in flight', earlierConfigs],
  ];
  return counts.filter(([, count]) => count > 0).map(([what, count]) => [what, String(count)]);
}

function showStatus(status) {
  const { now, notReady } = status;
  setText(byId('version'), status.version);
  show(byId('ready'), notReady === undefined ? toned('good', 'yes') : toned('bad', `no: ${notReady}`));
  show(byId('uptime'), duration(status.uptimeSeconds));
  show(byId('in-flight'), String(status.requestsInFlight));
  show(byId('store'), storeText(status.store, now));
  fill(
    'files',
    status.unusableFiles.map((file) => [keysOf(file), ago(file.at, now)]),
  );
  fill('certificates', certificatesOf(status));
  fill('counts', countsOf(status));
  fill(
    'tokens',
    status.tokens.map((token) => tokenCells(token, now)),
  );
  fill(
    'upstreams',
    status.upstreams.map((upstream) => upstreamCells(upstream, now)),
  );
  fill(
    'servers',
    status.authorizationServers.map((server) => serverCells(server, now)),
  );
  fill('listeners', status.listeners.map(listenerCells));
}

async function act(button, token, action) {
  if (button.ariaBusy === 'true') return;
  if (action === 'purge' && !confirm(`Drop the token "${token}"? The next request has another one made.`)) return;
  button.ariaBusy = 'true';
  try {
    const path = `/tokens/${encodeURIComponent(token)}/${action}`;
    const answer = await fetch(path, { method: 'POST', headers: { 'Token-Broker-Admin': '1' } });
    const { state, code, detail } = await answer.json();
    setText(byId('said'), code === undefined ? `${token}: ${action} done, ${state}` : `${token}: ${code}: ${detail}`);
  } catch {
    setText(byId('said'), `${token}: ${action} not done: the broker does not answer`);
  }
  button.ariaBusy = 'false';
  await look();
}

let timer;
let goneAt;

async function look() {
  clearTimeout(timer);
  try {
    const answer = await fetch('/status', { signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!answer.ok) throw new Error(`${answer.status}`);
    showStatus(await answer.json());
    goneAt = undefined;
    show(byId('connection'), toned('good', 'live'));
  } catch {
    goneAt ??= new Date();
    show(byId('connection'), toned('bad', `the broker has not answered since ${timeOfDay(goneAt)}: what is shown is from before`));
  }
  document.body.classList.toggle('stale', goneAt !== undefined);
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(() => void look(), POLL_MS);
}

document.addEventListener('visibilitychange', () => {
  clearTimeout(timer);
  if (!document.hidden) void look();
});
void look();

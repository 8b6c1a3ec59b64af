/** A log line of a function, as far as a person at the terminal wants it. */
interface Line {
  readonly level?: string;
  readonly message?: string;
  readonly system?: string;
  readonly pair?: string;
  readonly id?: string;
  readonly counterpart?: string;
  readonly because?: string;
  readonly rows?: readonly string[];
  readonly lagMs?: number;
  readonly outcome?: string;
  readonly error?: string;
}

const names: Readonly<Record<string, string>> = { customcrm: 'Customcrm', wave: 'Wave' };
/** Said for every webhook and poll; the outcome that follows says it better. */
const routine = new Set([
  'webhook taken',
  'webhook ignored',
  'polled',
  'janitor ran',
  'sweep ran',
  'nothing to do',
  'parent linked',
]);

/** What each message means to a person; what is not here is said as it is. */
const words: Readonly<Record<string, (line: Line, other: string) => string>> = {
  'counterpart created': (_, other) => `created in ${other}`,
  'records linked': (_, other) => `linked with a record that ${other} had already`,
  'change applied': ({ rows = [], because }) =>
    [`updated: ${rows.map(rowWords).join(', ')}`, because === 'changed' ? '' : because]
      .filter(Boolean)
      .join(', then '),
  'change blocked': ({ because }, other) => `blocked, ${other} refuses it: ${because}`,
  'record blocked': ({ because }, other) => `blocked, ${other} refuses it: ${because}`,
  'change held': ({ because }) => `held for a person: ${because}`,
  'change dropped': ({ because }) => `left alone: ${because}`,
  'record waits': ({ because = '' }) => `waits for ${causes[because] ?? because}`,
  'record excluded': ({ because }) => `left out: ${because}`,
  'record ambiguous': ({ because }) => `unclear, so nothing is created: ${because}`,
  'record unlinked': ({ because }) => `no longer linked: ${because}`,
  'change failed': ({ because }) => `failed and comes again: ${because}`,
  'record failed': ({ because }) => `failed: ${because}`,
  'fuse blown': ({ because }) => `stopped at a fuse, a person must look: ${because}`,
  'missed change found': () => 'found by the sweep: a change that nothing had reported',
  'webhook refused': ({ system = '', outcome }) => `A webhook of ${names[system]} was refused: ${outcome}`,
  'webhook not queued': ({ error }) => `A webhook could not be queued and is refused: ${error}`,
  'invocation failed': ({ error = '' }) => `A function failed: ${error.replaceAll(/\s*\n\s*/g, ' ')}`,
};

/** `Phone->wave`, as the log says it. */
function rowWords(row: string): string {
  const [name, system = ''] = row.split('->');
  return system ? `${name} in ${names[system] ?? system}` : row;
}

const causes: Readonly<Record<string, string>> = {
  parent: 'its customer or product',
  fence: 'the outcome of a create that may have made it',
  settle: 'an unanswered write, which may still be executed',
  poll: 'the other system to be read first',
  unavailable: 'a system that does not answer',
  reconnect: 'a new login',
  'not-found': 'the record to show, or its deletion to be proven',
  fuse: 'a person at a fuse',
  pause: 'the end of a pause',
};

/** One readable line, or undefined for what only a log needs. */
export function readable(text: string, now: Date): string | undefined {
  const line = parse(text);
  if (!line) return text.trim() === '' ? undefined : `${clock(now)}  ${text}`;
  const { message = '', system = '', pair, id, counterpart, because, lagMs, level } = line;
  if (!message || (routine.has(message) && level === 'info')) return undefined;
  // Over in a moment, and then the outcome is said.
  if (message === 'record waits' && because === 'lease') return undefined;
  const other = system === 'wave' ? 'Customcrm' : 'Wave';
  const record = pair ? `${pair} ${shorten(id)}${counterpart ? ` → ${shorten(counterpart)}` : ''}` : '';
  const said = words[message]?.(line, other) ?? plain(line);
  const took = lagMs === undefined ? '' : ` (${duration(lagMs)})`;
  return [clock(now), record, `${said}${took}`].filter(Boolean).join('  ');
}

const plain = ({ message, because, error }: Line): string =>
  [message, because, error].filter(Boolean).join(': ');

function parse(text: string): Line | undefined {
  if (!text.startsWith('{')) return undefined;
  try {
    const line = JSON.parse(text) as Line & { readonly _aws?: unknown };
    return line._aws === undefined ? line : {};
  } catch {
    return undefined;
  }
}

const clock = (now: Date): string => now.toTimeString().slice(0, 8);

const duration = (ms: number): string => (ms < 10_000 ? `${ms} ms` : `${Math.round(ms / 1000)} s`);

/** Wave's ids are long base64; their end tells them apart. */
const shorten = (id = ''): string => (id.length > 24 ? `…${id.slice(-10)}` : id);

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
  readonly error?: string;
}

const names: Readonly<Record<string, string>> = { customcrm: 'Customcrm', wave: 'Wave' };
/** Said for every webhook and poll; the outcome that follows says it better. */
const routine = new Set(['webhook taken', 'webhook ignored', 'polled', 'janitor ran', 'nothing to do']);

/** One readable line, or undefined for what only a log needs. */
export function readable(text: string, now: Date): string | undefined {
  const line = parse(text);
  if (!line) return text.trim() === '' ? undefined : `${clock(now)}  ${text}`;
  const { message = '', pair, id, counterpart, because, rows = [], lagMs, level, error } = line;
  if (!message || (routine.has(message) && level === 'info')) return undefined;
  const record = pair ? `${pair} ${shorten(id)}${counterpart ? ` <-> ${shorten(counterpart)}` : ''}` : '';
  const origin = line.system ? ` (from ${names[line.system] ?? line.system})` : '';
  const details = [
    because && because !== 'changed' && because !== 'equal' ? because : '',
    rows.join(', '),
    lagMs === undefined ? '' : `${lagMs} ms`,
    error ?? '',
  ].filter(Boolean);
  return [clock(now), record, `${message}${origin}`, details.join(' · ')].filter(Boolean).join('  ');
}

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

/** Wave's ids are long base64; their end tells them apart. */
const shorten = (id = ''): string => (id.length > 24 ? `…${id.slice(-10)}` : id);

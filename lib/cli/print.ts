import { refKey } from '../domain/record.ts';
import type { Handled } from '../sync/engine.ts';
import { type Overview, type ShownRecord, stateLimit } from '../sync/overview.ts';
import type { ShownDetail } from '../sync/show-record.ts';
import type { connectionState } from '../wave/refusals.ts';
import type { Finding } from './check.ts';
import { ago, columns } from './columns.ts';

// How the command line shows what it found, for people.

/** Values of records are cut to this, in characters. */
const valueWidth = 44;

export const findings = (all: readonly Finding[]): string =>
  columns(
    ['', 'what', 'finding'],
    all.map(({ ok, what, say }) => [ok ? 'ok' : '!!', what, say]),
  );

export const records = (all: readonly ShownRecord[]): string =>
  all.length === 0
    ? 'None.'
    : columns(
        ['pair', 'system', 'id', 'since', 'reason'],
        all.map(({ ref, since, reasons }) => [
          ref.pair,
          ref.system,
          ref.id,
          ago(Date.now() - since),
          reasons.join('; '),
        ]),
      );

/** A value that lost a conflict, and the command that puts it back. */
export interface LostValue extends ShownRecord {
  readonly restore: string;
}

export function conflicts({
  open,
  lost,
}: {
  readonly open: readonly ShownRecord[];
  readonly lost: readonly LostValue[];
}): string {
  const values = columns(
    ['lost', 'property', 'put it back with'],
    lost.map(({ since, reasons, restore }) => [ago(Date.now() - since), reasons.join(), restore]),
  );
  return [
    ...(open.length > 0 || lost.length === 0 ? [records(open)] : []),
    ...(open.length > 0 && lost.length > 0 ? [''] : []),
    ...(lost.length > 0 ? ['values that lost a conflict, newest first', values] : []),
  ].join('\n');
}

type WaveConnection = Awaited<ReturnType<typeof connectionState>>;

/** How the access to Wave stands, and what to do when it does not. */
export function connection(state: WaveConnection): string {
  if (state.connection === 'none') return 'nobody has logged in yet: wave login';
  const isLogin = 'issuedAt' in state;
  const by = isLogin ? `login or renewal ${ago(Date.now() - state.issuedAt)} ago` : 'by a full-access token';
  const trouble = isLogin ? state.trouble : undefined;
  const checked = 'Check WAVE_CLIENT_ID and WAVE_CLIENT_SECRET';
  if (state.connection === 'good')
    return trouble === undefined
      ? `good, ${by}`
      : `good, ${by}, but it cannot be renewed: ${trouble}. ${checked}`;
  const login = trouble === undefined ? 'Log in again: wave login' : checked;
  const remedy = isLogin ? login : 'Is Wave still paid for, and WAVE_ACCESS_TOKEN right?';
  return `broken, ${by}: ${state.because ?? 'refused'}. ${remedy}`;
}

export function overview(found: Overview, waveConnection: WaveConnection): string {
  const counts = (of: Readonly<Record<string, number>>, limit = Number.POSITIVE_INFINITY) =>
    Object.entries(of)
      .filter(([, count]) => count > 0)
      .map(([name, count]) => `${count}${count < limit ? '' : ' or more'} ${name}`)
      .join(', ') || 'none';
  // What waits is looked at together, for whatever it waits.
  const isCut = Object.values(found.waiting).reduce((sum, count) => sum + count, 0) >= stateLimit;
  const polled = (ms: number | undefined) => (ms === undefined ? 'never' : `${ago(ms)} ago`);
  return columns(
    ['', ''],
    [
      ['linked', counts(found.linked)],
      ['shown', counts(found.states, stateLimit)],
      ['waiting', counts(found.waiting, isCut ? 0 : stateLimit)],
      [
        'open creates',
        found.intents.open === 0 ? 'none' : `${found.intents.open}, oldest ${ago(found.intents.oldestMs)}`,
      ],
      ['Customcrm read', polled(found.polledAgoMs.customcrm)],
      ['Wave read', polled(found.polledAgoMs.wave)],
      ['Wave connection', connection(waveConnection)],
      ['Customcrm webhook', polled(found.heardAgoMs.customcrm)],
      ['Wave webhook', polled(found.heardAgoMs.wave)],
      ['blown fuses', found.blownFuses.join(', ') || 'none'],
      ['paused', found.paused.map(({ scope, reason }) => `${scope} (${reason})`).join(', ') || 'nothing'],
    ],
  ).trimStart();
}

export function detail(found: ShownDetail): string {
  const { link, state, waits } = found;
  const facts = [
    `${refKey(found.ref)}: ${Object.entries(found.readings)
      .map(([system, reading]) => `${reading === 'living' ? 'there' : reading} in ${system}`)
      .join(', ')}`,
    link ? `link ${link.id}: customcrm ${link.customcrmId} <-> wave ${link.waveId}` : 'not linked',
    `state: ${link?.state ?? state?.state ?? '-'}${reasonText(link?.reasons ?? (state ? [state.reason] : []))}`,
    ...(waits ? [`waits for ${waits.cause} since ${ago(Date.now() - waits.since)}`] : []),
    ...(found.openIntent ? ['a create is under way, its outcome is not known yet'] : []),
    ...(found.tombstone ? [`tombstone: ${found.tombstone}`] : []),
  ];
  const values = columns(
    ['property', 'way', 'customcrm', 'wave', 'changed since agreed'],
    found.rows.map(({ row, direction, customcrm, wave, changed }) => [
      row,
      { both: '<->', toWave: '->', toCustomcrm: '<-' }[direction],
      text(customcrm),
      text(wave),
      changed === 'none' ? 'never agreed' : changed.join(', '),
    ]),
    valueWidth,
  );
  const history = (link?.history ?? []).map(
    ({ at, did, rows }) => `${new Date(at).toISOString()}  ${did}  ${rows.join(' ')}`,
  );
  const losers = found.losers.map(
    ({ row, system, at }) => `${row} of ${system}, lost ${new Date(at).toISOString()}`,
  );
  return [
    ...facts,
    '',
    values,
    ...(history.length > 0 ? ['', 'history, newest first', ...history] : []),
    ...(losers.length > 0 ? ['', 'values that lost, and can be put back', ...losers] : []),
  ].join('\n');
}

const reasonText = (reasons: readonly string[]): string =>
  reasons.filter(Boolean).length > 0 ? ` (${reasons.join('; ')})` : '';

const text = (value: unknown): string =>
  value === undefined
    ? '(not shown)'
    : value === null
      ? ''
      : typeof value === 'string'
        ? value
        : JSON.stringify(value);

export const handled = (done: Handled): string =>
  done.did === 'parked'
    ? `Not decided, or not in all of it: the record waits (${done.cause.name}). Say it again once it goes on.`
    : [done.message, done.because, (done.rows ?? []).join(' '), rejectedHint(done)]
        .filter(Boolean)
        .join(': ');

/** What one side alone has changed needs no decision between two values: it stays because a fuse was answered with no. */
const rejectedHint = ({ message, because }: Extract<Handled, { did: 'finished' }>): string =>
  message === 'nothing to do' && because === 'held'
    ? 'a fuse was answered with no; `retry` lets it pass, and an edit of either side replaces it'
    : '';

/** The only fields that are ever logged: no payload, no personal data, no secret can slip in under another name. */
export const logFields: ReadonlySet<string> = new Set([
  'level',
  'message',
  'system',
  'pair',
  'id',
  'counterpart',
  'eventId',
  'causedBy',
  'because',
  'reason',
  'rows',
  'again',
  'lagMs',
  'readToWriteMs',
  'type',
  'outcome',
  'pages',
  'rung',
  'complete',
  'woken',
  'intents',
  'error',
  'function',
]);

/** Writes one JSON line an outcome. */
export function log(level: 'info' | 'warn' | 'error', line: object): void {
  const fields = Object.entries({ level, ...line }).filter(
    ([name, value]) => logFields.has(name) && value !== undefined,
  );
  process.stdout.write(`${JSON.stringify(Object.fromEntries(fields))}\n`);
}

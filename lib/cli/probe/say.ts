import { type Answer, notAsked } from './probe.ts';

/** The settings that follow from what was found out. */
export const settingsFrom = (answers: readonly Answer[]): Readonly<Record<string, string>> =>
  Object.assign({}, ...answers.map(({ settings }) => settings ?? {}));

function verdictOn({ open, asAssumed, settings }: Answer): string {
  if (open !== undefined) return '??';
  if (asAssumed === undefined) return '  ';
  return asAssumed || settings ? 'ok' : '!!';
}

/** `!!` is not what this product assumes, and no setting changes that: docs/WAVE.md says what follows. */
export function probeText(answers: readonly Answer[]): string {
  const found = answers.map((each) => {
    const text = each.open === undefined ? each.answer : `not answered: ${each.open}`;
    return `${verdictOn(each)} ${each.question}\n     ${text}`;
  });
  const settings = Object.entries(settingsFrom(answers)).map(([name, value]) => `${name}=${value}`);
  return [
    ...found,
    '',
    'Not asked:',
    ...notAsked.map((each) => `   ${each}`),
    '',
    'Settings that follow:',
    ...(settings.length > 0 ? settings : ['none']),
  ].join('\n');
}

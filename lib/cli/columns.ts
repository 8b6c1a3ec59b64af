/** One word, such as an id or an address: half of it would be another one. */
const word = /^[\w:=+/.@#-]+$/;

/** Rows of text as aligned columns. `widest` cuts longer texts, but never a word. */
export function columns(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  widest = Number.POSITIVE_INFINITY,
): string {
  const last = head.length - 1;
  const fit = (text: string) =>
    text.length > widest && !word.test(text) ? `${text.slice(0, widest - 1)}…` : text;
  const all = [head, ...rows].map((row) => row.map(fit));
  const widths = head.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  return all
    .map((row) =>
      row
        .map((text, column) => (column < last ? text.padEnd(widths[column] ?? 0) : text))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** `90 s`, `12 min`, `3 h`, `5 d`. */
export function ago(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}

/** A reporter of node:test that says one thing: the plain closing line `N passed, N failed`. */
export default async function* closingLine(
  source: AsyncIterable<{
    readonly type: string;
    readonly data: { readonly details?: unknown; readonly skip?: unknown; readonly todo?: unknown };
  }>,
): AsyncGenerator<string> {
  const counts = { passed: 0, failed: 0 };
  for await (const { type, data } of source) {
    const isSuite = (data.details as { readonly type?: string } | undefined)?.type === 'suite';
    if (isSuite) continue;
    // Open work is shown as such by the other reporter; it neither passes nor fails.
    if (data.todo !== undefined) continue;
    if (type === 'test:pass') counts.passed += 1;
    if (type === 'test:fail') counts.failed += 1;
  }
  yield `${counts.passed} passed, ${counts.failed} failed\n`;
}

/** A reporter of node:test that ends the whole process at the first failure: a mutant needs no more. */
export default async function* firstFailure(
  source: AsyncIterable<{ readonly type: string; readonly data: { readonly name?: string } }>,
): AsyncGenerator<string> {
  for await (const { type, data } of source) {
    if (type !== 'test:fail') continue;
    process.stderr.write(`failed: ${data.name}\n`);
    process.exit(1);
  }
  yield 'all passed\n';
}

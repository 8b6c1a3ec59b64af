type Axes = Readonly<Record<string, readonly unknown[]>>;
type Choice<A extends Axes> = { [K in keyof A]: A[K][number] };

/** Every way to choose one value from each axis, so that a small space is enumerated and not sampled. */
export function combinations<const A extends Axes>(axes: A): readonly Choice<A>[] {
  let all: Readonly<Record<string, unknown>>[] = [{}];
  for (const [name, values] of Object.entries(axes)) {
    all = all.flatMap((choice) => values.map((value) => ({ ...choice, [name]: value })));
  }
  return all as Choice<A>[];
}

import type { System } from '../domain/record.ts';
import type { Delivery } from '../domain/webhook.ts';
import type { Engine } from './engine.ts';

/** Says what became of a delivery, in the sender's language: an HTTP status. 5xx only when the queue could not take it. */
export async function receive(
  engine: Engine,
  system: System,
  delivery: Delivery,
  log: (level: 'info' | 'warn' | 'error', line: object) => void,
): Promise<number> {
  if (delivery.outcome === 'unsigned' || delivery.outcome === 'stale' || delivery.outcome === 'malformed') {
    log('warn', { message: 'webhook refused', system, outcome: delivery.outcome });
    return delivery.outcome === 'malformed' ? 400 : 401;
  }
  if (delivery.outcome === 'ignored') {
    log('info', { message: 'webhook ignored', system, type: delivery.type.slice(0, 100) });
    return 202;
  }
  const { ref, eventId, version, updatedAt } = delivery;
  try {
    await engine.queues[system].ring([
      {
        ...ref,
        eventId,
        at: engine.clock.now(),
        ...(version !== undefined && { version }),
        ...(Number.isFinite(Number(version ?? Number.NaN)) && { seen: Number(version) }),
        ...(updatedAt !== undefined && { updatedAt }),
      },
    ]);
  } catch (error) {
    log('error', {
      message: 'webhook not queued',
      ...ref,
      eventId,
      error: error instanceof Error ? error.name : 'unknown',
    });
    return 503;
  }
  log('info', { message: 'webhook taken', ...ref, eventId });
  return 202;
}

import type { RecordRef, Snapshot } from '../domain/record.ts';
import type { MatchKey } from './mapping.ts';

export type MatchKeyOrNone = MatchKey | undefined;

/** A text cell as match keys compare it, trimmed and case-folded; empty for what is no text. */
export const keyForm = (cell: unknown): string =>
  typeof cell === 'string' ? cell.normalize('NFC').trim().toLowerCase() : '';

/** A match key from a text cell; none when the cell is empty. */
export function key(name: string, cell: unknown): MatchKeyOrNone {
  const form = keyForm(cell);
  return form === '' ? undefined : { name, form };
}

/** What `ExternalId` says in a Customcrm record, and what would be written there for this Wave record. */
export function externalIdKey(record: Snapshot): MatchKeyOrNone {
  const form = record.system === 'wave' ? externalIdOf(record.id) : record.body.ExternalId;
  return typeof form === 'string' && form.startsWith(markerPrefix) ? { name: markerKey, form } : undefined;
}

/** The key that a marker is. */
export const markerKey = 'externalId';

/** The Wave record that the marker of a Customcrm record names. */
export function markedRef({ system, pair, body }: Snapshot): RecordRef | undefined {
  const marker = system === 'customcrm' ? String(body.ExternalId ?? '') : '';
  return marker.startsWith(markerPrefix)
    ? { system: 'wave', pair, id: marker.slice(markerPrefix.length) }
    : undefined;
}

export const markerPrefix = 'wave:';
/** The marker that Customcrm keeps of its counterpart. */
export const externalIdOf = (waveId: string): string => `${markerPrefix}${waveId}`;

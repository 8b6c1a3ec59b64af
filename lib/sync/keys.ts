import { type RecordRef, refKey } from '../domain/record.ts';
import type { Key } from './ports.ts';

/** A record's half of its link. */
export const linkKey = (ref: RecordRef): Key => ({ pk: refKey(ref), sk: 'link' });

/** What a record shows that is not in sync with anything. */
export const stateKey = (ref: RecordRef): Key => ({ pk: refKey(ref), sk: 'state' });

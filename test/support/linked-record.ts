import { fingerprints } from '../../lib/domain/fingerprint.ts';
import { type Agreed, nothingAgreed } from '../../lib/domain/link.ts';
import type { Policies } from '../../lib/domain/plan.ts';
import type { Body, System } from '../../lib/domain/record.ts';
import { settle } from '../../lib/mappings/agreement.ts';
import { agreedAfterCreate } from '../../lib/mappings/creation.ts';
import { type Facts, type PairMapping, setPath } from '../../lib/mappings/mapping.ts';
import {
  type Pictured,
  planRecord,
  type RecordPlan,
  type RemoteWrite,
} from '../../lib/mappings/record-plan.ts';
import { mappingFacts } from './mapping-facts.ts';
import { policiesOf } from './plan-rows.ts';

/** One key, one scope: what the tests agree on is only compared with itself. */
export const prints = fingerprints([{ id: 'k1', secret: new Uint8Array(32).fill(7) }], 'link-1');

/** Both bodies of a record and what is known about them; nothing agreed unless said. */
export const pictured = (
  mapping: PairMapping,
  customcrm: object,
  wave: object,
  parts: Partial<Pick<Pictured, 'agreed' | 'ahead' | 'facts'>> = {},
): Pictured => ({
  mapping,
  customcrm: customcrm as Body,
  wave: wave as Body,
  agreed: nothingAgreed,
  ahead: undefined,
  facts: mappingFacts(),
  prints,
  ...parts,
});

/** What is agreed when all that both sides hold now is, but for rows that do not concern this record. */
export function agreedOn(mapping: PairMapping, customcrm: object, wave: object, facts?: Facts): Agreed {
  const picture = pictured(mapping, customcrm, wave, facts ? { facts } : {});
  const situation = {
    customcrm: picture.customcrm,
    wave: picture.wave,
    facts: picture.facts,
    waveCellIsOurs: false,
  };
  const rows = mapping.rows(picture.facts.settings).filter(({ rules }) => rules.applies?.(situation) ?? true);
  return agreedAfterCreate(picture, 'wave', { rows: rows.map((row) => row.id) });
}

/** Systems that store what they are sent, and show it as it was sent. */
export function applied(picture: Pictured, policies: Policies = policiesOf()) {
  const plan: RecordPlan = planRecord(picture, policies);
  const answers = {
    ...(plan.writes.customcrm && { customcrm: plan.writes.customcrm.next }),
    ...(plan.writes.wave && { wave: plan.writes.wave.next }),
  };
  const settled = settle(picture, plan, answers);
  return { plan, settled, after: { ...picture, ...answers, agreed: settled.agreed } };
}

/** What is written after one property of an in-sync record was edited: per system the rows, the new cell and the whole body. */
export function writesAfterEdit(
  linked: Pictured,
  edited: System,
  path: string,
  cell: unknown,
): Readonly<Partial<Record<System, Pick<RemoteWrite, 'rows' | 'paths' | 'next'>>>> {
  const agreed = agreedOn(linked.mapping, linked.customcrm, linked.wave, linked.facts);
  const body = setPath(linked[edited], path, cell);
  const { writes } = planRecord({ ...linked, agreed, [edited]: body }, policiesOf());
  const bare = ({ rows, paths, next }: RemoteWrite) => ({ rows, paths, next });
  return {
    ...(writes.customcrm && { customcrm: bare(writes.customcrm) }),
    ...(writes.wave && { wave: bare(writes.wave) }),
  };
}

import { localFallbackProductId } from '../../infra/local/wave/ids.ts';
import { type Pair, pairs, type System, systems } from '../../lib/domain/record.ts';
import type { Book } from './bookkeeping.ts';
import { type Case, type CheckName, checkNames, isShown, type Standing, type Verdict } from './case.ts';
import { formsOf, idOf, isLiving, namesIn, tagOf } from './forms.ts';
import type { Picture } from './hands.ts';
import type { Ledger } from './ledger.ts';
import { gapAccount, lostEdits } from './lost.ts';
import { agree, rowsOf } from './rows.ts';

/** Of all edits, so many may fall between our read and our write of the same properties in Wave, where people work as densely as here. */
const gapShare = 0.01;

/** Compares what people did with what is there. */
export async function judge(picture: Picture, book: Book, ledger: Ledger): Promise<Verdict> {
  const looked = Object.fromEntries(checkNames.map((name) => [name, 0])) as Record<CheckName, number>;
  const findings: { check: CheckName; what: string }[] = [];
  const accounts = new Map<string, number>();
  const file: Case = {
    picture,
    book,
    ledger,
    look(check, wrong) {
      looked[check] += 1;
      if (wrong !== undefined) findings.push({ check, what: wrong });
    },
    account: (name) => void accounts.set(name, (accounts.get(name) ?? 0) + 1),
  };
  checkDuplicates(file);
  checkLinks(file);
  checkCounterparts(file);
  const standings = standingsOf(file);
  for (const standing of standings) {
    checkSame(file, standing);
    if (standing.link.pair === 'order') checkParents(file, standing);
  }
  await lostEdits(file, standings);
  const inGap = accounts.get(gapAccount) ?? 0;
  const most = Math.max(2, ledger.sums.edits * gapShare);
  file.look('few edits fall into the gap', inGap > most ? `${inGap} of ${ledger.sums.edits}` : undefined);
  file.look('no e-mail sent', picture.emailsSent === 0 ? undefined : `${picture.emailsSent} were sent`);
  return { looked, findings, accounts };
}

/**
 * Records by the name that a person gave them: there are never more of one name than people made. Who enters by hand what has just
 * arrived from the other side has made a second one, and that gets its own counterpart.
 */
function checkDuplicates({ picture, ledger, look }: Case): void {
  for (const system of systems)
    for (const pair of pairs) {
      const byTag = Map.groupBy(picture.records[system][pair], (record) => tagOf(system, pair, record));
      for (const [tag, records] of byTag) {
        if (tag === undefined) continue;
        const made = systems.map((each) => ledger.made.get(`${each} ${tag}`) ?? 0);
        const allowed = Math.max(
          1,
          made.reduce((sum, count) => sum + count, 0),
        );
        const ids = records.map((record) => idOf(system, record)).join(', ');
        look('no duplicate', records.length <= allowed ? undefined : `${tag} in ${system}: ${ids}`);
      }
    }
}

function checkLinks({ book, look }: Case): void {
  for (const what of book.broken) look('links are one-to-one and mirrored', what);
  const seen = new Set<string>();
  for (const { pair, customcrmId, waveId } of book.links)
    for (const id of [`customcrm ${pair} ${customcrmId}`, `wave ${pair} ${waveId}`]) {
      look('links are one-to-one and mirrored', seen.has(id) ? `${id} has two links` : undefined);
      seen.add(id);
    }
}

/** Every living record is linked, or shows why it is not. */
function checkCounterparts({ picture, book, ledger, look, account }: Case): void {
  const linked = new Set(
    book.links.flatMap(({ pair, customcrmId, waveId }) => [
      `customcrm#${pair}#${customcrmId}`,
      `wave#${pair}#${waveId}`,
    ]),
  );
  for (const system of systems)
    for (const pair of pairs)
      for (const record of picture.records[system][pair]) {
        const id = idOf(system, record);
        const tag = tagOf(system, pair, record);
        const goes = tag !== undefined && ledger.removed.has(tag);
        if (!isLiving(system, record) || id === localFallbackProductId || goes) continue;
        const key = `${system}#${pair}#${id}`;
        const shown = linked.has(key) ? undefined : book.shown.get(key);
        if (shown !== undefined) account(`not linked, shown as ${shown.slice(0, 80)}`);
        const isFine = linked.has(key) || shown !== undefined;
        look(
          'every record has its counterpart',
          isFine ? undefined : `${key} (${tag}) has none, and nothing says why`,
        );
      }
}

function standingsOf({ picture, book, ledger, look }: Case): readonly Standing[] {
  const nameOf = namesIn(picture);
  const find = (system: System, pair: Pair, id: string) =>
    picture.records[system][pair].find((record) => idOf(system, record) === id && isLiving(system, record));
  return book.links.flatMap((link): readonly Standing[] => {
    const { pair } = link;
    const customcrm = find('customcrm', pair, link.customcrmId);
    const wave = find('wave', pair, link.waveId);
    if (!customcrm || !wave) return [];
    const [tag, other] = [tagOf('customcrm', pair, customcrm), tagOf('wave', pair, wave)];
    look(
      'the links name records that carry the same name',
      tag === other ? undefined : `${tag} with ${other}`,
    );
    if (tag !== undefined && ledger.removed.has(tag)) return [];
    const records = { customcrm, wave };
    const forms = {
      customcrm: formsOf(pair, 'customcrm', customcrm, nameOf),
      wave: formsOf(pair, 'wave', wave, nameOf),
    };
    return [{ link, tag, records, forms }];
  });
}

function checkSame({ look, account }: Case, { link, tag, forms }: Standing): void {
  for (const row of rowsOf[link.pair]) {
    const [customcrm = '', wave = ''] = [forms.customcrm.get(row.id), forms.wave.get(row.id)];
    const isSame = agree(row, customcrm, wave);
    if (!isSame && isShown(link, row.id)) {
      account(`differs, and the link says so: ${link.state}`);
      look('both sides hold the same');
      continue;
    }
    look(
      'both sides hold the same',
      isSame
        ? undefined
        : `${row.id} of ${tag} (${link.customcrmId}): ${customcrm.slice(0, 200)} <> ${wave.slice(0, 200)}; ${link.state} ${link.reasons.join('; ')}`,
    );
  }
}

/** By the links themselves, whatever the records are called. */
function checkParents({ book, look }: Case, { link, tag, records }: Standing): void {
  const { CustomerId } = records.customcrm;
  const customer = book.links.find(
    ({ pair, customcrmId }) => pair === 'customer' && customcrmId === CustomerId,
  );
  const isRight = customer?.waveId === records.wave.customerId || isShown(link, 'CustomerId');
  look(
    'an order hangs on the counterparts of its parents',
    isRight ? undefined : `${tag}: ${CustomerId} is ${customer?.waveId}`,
  );
}

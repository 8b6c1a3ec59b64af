import { parseRef, refKey } from '../../lib/domain/record.ts';
import { mappings } from '../../lib/mappings/pairs.ts';
import type { Notebook } from './checks.ts';
import type { Ending, Standing } from './ending.ts';

/** Links are one to one, their halves mirror each other, and every living record has one or says why not. */
export function checkLinks(ending: Ending, notebook: Notebook): void {
  const { world, links } = ending;
  const { look } = notebook;
  const waveIds = new Set<string>();
  for (const { link, wave } of links) {
    const half = world.store.item({ pk: wave.key, sk: 'link' });
    const mirrors = half?.linkId === link.id && half.customcrmId === link.customcrmId;
    look('links mirror', mirrors ? undefined : `the halves of ${link.customcrmId} and ${link.waveId}`);
    look('links one to one', waveIds.has(wave.key) ? `${wave.key} has two` : undefined);
    waveIds.add(wave.key);
    const entry = world.store.item({ pk: `links#${link.pair}`, sk: link.customcrmId });
    look(
      'links are listed',
      entry?.waveId === link.waveId ? undefined : `${link.customcrmId} is not in the directory`,
    );
  }
  const halves = world.store.all().filter((item) => item.sk === 'link').length;
  look('links mirror', halves === 2 * links.length ? undefined : `${halves} halves of ${links.length} links`);
  for (const wrong of world.store.commits()) look('no commit is lost', wrong);
  for (const { pk, sk, kind } of world.store.all())
    if (sk === 'tombstone' && kind === 'deleted')
      look(
        'deletions are true',
        wasDeleted(ending, pk) ? undefined : `${pk} counts as deleted, and never was`,
      );
  for (const standing of ending.records.filter(({ isLiving }) => isLiving))
    look('linked or shown', faultOf(ending, standing, notebook));
}

const wasDeleted = ({ world }: Ending, key: string): boolean =>
  world.truth.of(parseRef(key)).some(({ did }) => did === 'deleted');

/** What is wrong with how a living record stands, or undefined. */
function faultOf(ending: Ending, { ref, key, body }: Standing, { except }: Notebook): string | undefined {
  const shown = ending.shownOf(ref);
  if (ending.linkOf(ref)) return shown && `${key} is linked, and still shown as ${shown.state}`;
  if (!shown) {
    const waits = ending.world.store.item({ pk: refKey(ref), sk: 'parked' });
    return waits ? undefined : `${key} is neither linked nor shown`;
  }
  if (shown.state === 'excluded') {
    const snapshot = { ...ref, body, createdAt: 0, modifiedAt: 0 };
    const reason =
      mappings[ref.pair].excluded(snapshot, ending.world.settings.mapping) ??
      ending.world.store.item({ pk: key, sk: 'exclusion' })?.reason;
    return reason === undefined ? `${key} shows excluded and is not` : undefined;
  }
  if (shown.state === 'failed') return `${key} failed: ${shown.reason}`;
  except(`shown as ${shown.state}: ${shown.reason.replace(/(customcrm|wave)#\w+#[\w-]+/, 'a record')}`, key);
  return undefined;
}

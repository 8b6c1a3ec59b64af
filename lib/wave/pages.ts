import { DocumentRefusedError } from './answer.ts';

// Wave's maximum of rows is not documented, and what a query costs grows with its pages: how many go into one is found out.

/** 100 is known to be safe, 1 is the last resort. Each divides those before it: what begins a page begins one of each smaller size. */
export const pageSizes = [100, 50, 25, 5];
/** A short list ends here, in rows. */
const rowLimit = 2_000;

/** How many rows Wave lets pass in one document, as far as this process knows. */
export interface Pages {
  /**
   * Sends with the largest pages that Wave may take, and with smaller ones when it refuses. @param lists asked for in the document.
   * @param skips rows before the page in each list. @throws DocumentRefusedError when a page of one row is still too much.
   */
  ask<Answer>(
    lists: number,
    skips: readonly number[],
    send: (pageSize: number) => Promise<Answer>,
  ): Promise<Answer>;
}

export const isTooMuch = (error: unknown): boolean =>
  error instanceof DocumentRefusedError && error.isTooMuch;

export function pagesOf(): Pages {
  /** So many were too much. It only ever shrinks: another process finds out anew. */
  let refusedRows = Number.POSITIVE_INFINITY;
  return {
    async ask(lists, skips, send) {
      const fitting = pageSizes.filter(
        (size) => size * lists < refusedRows && skips.every((skip) => skip % size === 0),
      );
      for (const size of fitting) {
        try {
          return await send(size);
        } catch (error) {
          if (!isTooMuch(error)) throw error;
          refusedRows = size * lists;
        }
      }
      return send(1);
    },
  };
}

export interface PageInfo {
  readonly currentPage?: number | null;
  readonly totalPages?: number | null;
  readonly totalCount?: number | null;
}
interface Page<Row> {
  readonly rows: readonly Row[];
  readonly pageInfo?: PageInfo | null | undefined;
}

/** Is this not the last page? Wave may show fewer rows than it was asked for, and have more: it says so beside them. */
export const hasMore = ({ rows, pageInfo }: Page<unknown>, pageSize: number): boolean =>
  rows.length >= pageSize || (rows.length > 0 && (pageInfo?.currentPage ?? 0) < (pageInfo?.totalPages ?? 0));

/** How many places of a list a page covers: fewer than were asked for where Wave counts in smaller pages, and not where it hides some. */
export function placesOf({ rows, pageInfo }: Page<unknown>, pageSize: number): number {
  const { totalPages, totalCount } = pageInfo ?? {};
  const isClamped = totalPages != null && totalCount != null && totalPages > Math.ceil(totalCount / pageSize);
  return isClamped ? rows.length : pageSize;
}

/** All rows of a short list: from its beginning again when Wave refuses so many at once. */
export const wholeList = <Row>(
  pages: Pages,
  read: (page: number, pageSize: number) => Promise<Page<Row>>,
): Promise<readonly Row[]> =>
  pages.ask(1, [], async (pageSize) => {
    const rows: Row[] = [];
    for (let page = 1; page <= rowLimit / pageSize; page++) {
      const some = await read(page, pageSize);
      rows.push(...some.rows);
      if (!hasMore(some, pageSize)) break;
    }
    return rows;
  });

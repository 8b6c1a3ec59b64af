import { SqsError } from './sqs-error.ts';

/** What a receipt handle says; a handle is opaque to clients. */
interface Receipt {
  readonly queue: number;
  readonly seq: number;
  /** When this receive happened, milliseconds since 1970. */
  readonly receivedAt: number;
  readonly token: string;
}

const shape = /^(\d{1,15})\.(\d{1,15})\.(\d{1,15})\.([0-9a-f-]{36})$/;

export const writeReceipt = ({ queue, seq, receivedAt, token }: Receipt): string =>
  Buffer.from(`${queue}.${seq}.${receivedAt}.${token}`).toString('base64url');

/** @throws SqsError `ReceiptHandleIsInvalid` for a handle that this queue never gave out. */
export function readReceipt(handle: string, queue: number): Receipt {
  const parts = shape.exec(Buffer.from(handle, 'base64url').toString('latin1'));
  const receipt = {
    queue: Number(parts?.[1]),
    seq: Number(parts?.[2]),
    receivedAt: Number(parts?.[3]),
    token: parts?.[4] ?? '',
  };
  if (receipt.queue === queue) return receipt;
  throw new SqsError(
    'ReceiptHandleIsInvalid',
    'The input receipt handle is not a receipt handle of this queue.',
  );
}

/**
 * The client of SSH, from ssh2: the one place that names it. What is used of it is said here: its types on npm bring types of an old Node along,
 * which would take the place of Deno's own.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import type { Duplex, Readable } from "node:stream";
// @ts-ignore: it has no types of its own
import ssh2 from "npm:ssh2@^1.17.0";

/** A type of host key, as the protocol names it. */
export type ServerHostKeyAlgorithm = string;

/** How to connect. */
export interface ConnectConfig {
  readonly host?: string;
  readonly port?: number;
  readonly username?: string;
  readonly password?: string;
  readonly privateKey?: string;
  readonly passphrase?: string;
  readonly agent?: string;
  readonly tryKeyboard?: boolean;
  readonly sock?: Duplex;
  readonly readyTimeout?: number;
  readonly keepaliveInterval?: number;
  readonly keepaliveCountMax?: number;
  readonly hostVerifier?: (key: Buffer) => boolean;
  readonly algorithms?: {
    readonly serverHostKey?: {
      readonly prepend: readonly ServerHostKeyAlgorithm[];
      readonly append: readonly ServerHostKeyAlgorithm[];
      readonly remove: readonly ServerHostKeyAlgorithm[];
    };
  };
}

/** One command under way on a server. */
export interface ClientChannel extends Duplex {
  /** Its standard error. */
  readonly stderr: Readable;
  /** Closes it, whatever is still to come. */
  close(): void;
}

/** A session of SFTP. What is asked after it has ended is never answered. */
export interface Sftp {
  open(path: string, flags: number, done: (error: Error | undefined, handle: Buffer) => void): void;
  close(handle: Buffer, done: (error?: Error) => void): void;
  /** Reads into a buffer; 0 bytes at the end of the file. */
  read(
    handle: Buffer,
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    done: (error: Error | undefined, length: number) => void,
  ): void;
  write(
    handle: Buffer,
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    done: (error?: Error) => void,
  ): void;
  /** Ends it. */
  end(): void;
  on(event: "end" | "close", listener: () => void): this;
  on(event: "error", listener: (error: Error) => void): this;
}

/** A connection to a server. */
export interface Client {
  connect(config: ConnectConfig): this;
  end(): this;
  destroy(): this;
  setNoDelay(noDelay?: boolean): this;
  exec(command: string, callback: (error: Error | undefined, channel: ClientChannel) => void): this;
  sftp(callback: (error: Error | undefined, session: Sftp) => void): this;
  forwardOut(
    fromHost: string,
    fromPort: number,
    toHost: string,
    toPort: number,
    callback: (error: Error | undefined, channel: ClientChannel) => void,
  ): this;
  forwardIn(
    host: string,
    port: number,
    callback: (error: Error | undefined, port: number) => void,
  ): this;
  on(event: "ready" | "close" | "end", listener: () => void): this;
  on(event: "error", listener: (error: Error) => void): this;
  on(
    event: "tcp connection",
    listener: (details: { readonly destPort: number }, accept: () => ClientChannel) => void,
  ): this;
  once(event: "ready" | "close" | "end", listener: () => void): this;
  once(event: "error", listener: (error: Error) => void): this;
  off(event: "ready" | "close" | "end" | "error", listener: (error: Error) => void): this;
}

/** Makes a connection. */
export const Client: new () => Client = ssh2.Client;
/** Reads a key; an error when it cannot be read. */
export const parseKey: (text: string, passphrase?: string) => unknown = ssh2.utils.parseKey;

/**
 * Lets go of what a connection holds that ended in the middle of a packet: the client forgets the decipher which waits for the rest.
 *
 * @param client A connection that is over.
 */
export function releaseDecipher(client: Client): void {
  const { _protocol } = client as unknown as {
    readonly _protocol?: { readonly _decipher?: { readonly _decipherInstance?: { final(): void } | null } };
  };
  try {
    _protocol?._decipher?._decipherInstance?.final();
  } catch {
    // It misses the rest, or was done already: either way it is closed now.
  }
}

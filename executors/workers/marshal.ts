/**
 * Values on their way between two programs: plain data goes by value; functions, streams and iterables stay where they are, and the other side
 * gets something that uses them from afar.
 *
 * @module
 */
import type { Bytes } from "../../core/bytes.ts";
import { decodeText, encodeText } from "../../core/bytes.ts";
import { decodeError, encodeError } from "./marshal_error.ts";
import {
  iterated,
  remoteIterable,
  type RemoteIterator,
  remoteReadable,
  type RemoteSink,
  type RemoteSource,
  remoteWritable,
  sinkOf,
  sourceOf,
} from "./marshal_stream.ts";

/** A function of either side. */
export type AnyFunction = (...args: readonly unknown[]) => unknown;

/** What the two sides know of each other's functions. */
export interface References {
  /** Gives a function of ours a number. */
  give(fn: AnyFunction): number;
  /** A function that calls the other side's of this number. */
  take(id: number): (...args: readonly unknown[]) => Promise<unknown>;
}

/** Strings of so many characters travel as bytes, which is quicker than as JSON. */
const LONG_TEXT = 4096;

/** Marks functions that give something to write into, or to iterate, at once: the other side must not have to wait for it. */
const AT_ONCE: unique symbol = Symbol("gives a stream or an iterable at once");

/** What such a function gives. */
type AtOnce = WritableStream<Bytes> | AsyncIterable<unknown>;

/**
 * Marks a function that returns a `WritableStream` or an iterable, and no promise of one, so that it does so on the other side too.
 *
 * @param fn The function.
 * @param gives Which of the two.
 */
export function givesAtOnce(fn: (...args: never[]) => AtOnce, gives: "writable" | "iterable"): void {
  Object.assign(fn, { [AT_ONCE]: gives });
}

/** Something that has no equal in JSON. `$` says what it is. */
interface Tagged {
  readonly $: string;
  readonly v?: unknown;
}

/**
 * Makes a value fit for JSON.
 *
 * @param value What.
 * @param refs Where functions are given numbers.
 * @param parts Bytes are added to this, and travel beside the JSON.
 * @returns What JSON can write.
 * @throws {TypeError} When it is something that cannot travel.
 */
export function encode(value: unknown, refs: References, parts: Uint8Array[]): unknown {
  const inner = (value: unknown): unknown => encode(value, refs, parts);
  const attach = (bytes: Uint8Array): number => parts.push(bytes) - 1;
  switch (typeof value) {
    case "boolean":
      return value;
    case "string":
      return value.length < LONG_TEXT ? value : { $: "text", v: attach(encodeText(value)) };
    case "number":
      return Number.isFinite(value) && !Object.is(value, -0)
        ? value
        : { $: "number", v: Object.is(value, -0) ? "-0" : String(value) };
    case "undefined":
      return { $: "undefined" };
    case "bigint":
      return { $: "bigint", v: String(value) };
    case "function":
      return giving(value as MaybeAtOnce, refs);
    case "symbol":
      throw new TypeError("A symbol cannot be handed to a worker");
  }
  if (value === null) return null;
  if (Array.isArray(value)) return value.map(inner);
  if (value instanceof Uint8Array) return { $: "bytes", v: attach(value) };
  if (value instanceof Date) return { $: "date", v: value.getTime() };
  if (value instanceof Error) return { $: "error", v: encodeError(value, inner) };
  if (value instanceof Map) return { $: "map", v: [...value].map(inner) };
  if (value instanceof Set) return { $: "set", v: [...value].map(inner) };
  if (value instanceof ReadableStream) return { $: "readable", v: inner(sourceOf(value)) };
  if (value instanceof WritableStream) return { $: "writable", v: inner(sinkOf(value)) };
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
    throw new TypeError(`A ${value.constructor.name} cannot be handed to a worker; use a Uint8Array`);
  }
  const whole = value as object;
  const begin = iterated(whole);
  if (begin) return { $: "iterable", v: [inner(begin), ownFields(whole, inner)] };
  const fields = { ...methods(whole, inner), ...ownFields(whole, inner) };
  return "$" in fields ? { $: "object", v: Object.entries(fields) } : fields;
}

/** A function, perhaps marked. */
type MaybeAtOnce = AnyFunction & { readonly [AT_ONCE]?: "writable" | "iterable" };

/** What is sent in place of a function. */
function giving(fn: MaybeAtOnce, refs: References): Tagged {
  switch (fn[AT_ONCE]) {
    case "writable":
      return { $: "opens", v: refs.give((...args) => sinkOf(fn(...args) as WritableStream<Bytes>)) };
    case "iterable":
      return { $: "iterates", v: refs.give((...args) => iterated(fn(...args) as object)!()) };
    default:
      return { $: "function", v: refs.give(fn) };
  }
}

/** The fields of an object. */
function ownFields(value: object, inner: (value: unknown) => unknown): Record<string, unknown> {
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, inner(field)]));
}

/** The methods and accessors of the class of an object. */
function methods(value: object, inner: (value: unknown) => unknown): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (
    let at: object | null = Object.getPrototypeOf(value);
    at !== null && at !== Object.prototype;
    at = Object.getPrototypeOf(at)
  ) {
    for (const name of Object.getOwnPropertyNames(at)) {
      if (name === "constructor" || name in found) continue;
      const member: unknown = (value as Record<string, unknown>)[name];
      found[name] = inner(typeof member === "function" ? member.bind(value) : member);
    }
  }
  return found;
}

/**
 * Reads what {@linkcode encode} has made on the other side.
 *
 * @param value What has come.
 * @param refs Where functions of the other side are found.
 * @param parts The bytes that have come with it.
 * @returns The value.
 */
export function decode(value: unknown, refs: References, parts: readonly Bytes[]): unknown {
  const inner = (value: unknown): unknown => decode(value, refs, parts);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(inner);
  if (!("$" in value)) {
    return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, inner(field)]));
  }
  const { $, v } = value as Tagged;
  switch ($) {
    case "text":
      return decodeText(parts[v as number]!);
    case "number":
      return Number(v);
    case "undefined":
      return undefined;
    case "bigint":
      return BigInt(v as string);
    case "bytes":
      return parts[v as number]!;
    case "date":
      return new Date(v as number);
    case "error":
      return decodeError(v, inner);
    case "map":
      return new Map((v as unknown[]).map(inner) as [unknown, unknown][]);
    case "set":
      return new Set((v as unknown[]).map(inner));
    case "function":
      return refs.take(v as number);
    case "opens": {
      const open = refs.take(v as number);
      return (...args: readonly unknown[]) => remoteWritable(open(...args) as Promise<RemoteSink>);
    }
    case "readable":
      return remoteReadable(inner(v) as RemoteSource);
    case "writable":
      return remoteWritable(Promise.resolve(inner(v) as RemoteSink));
    case "iterates": {
      const begin = refs.take(v as number);
      return (...args: readonly unknown[]) => remoteIterable(() => begin(...args) as Promise<RemoteIterator>);
    }
    case "iterable": {
      const [begin, fields] = (v as unknown[]).map(inner);
      return Object.assign(remoteIterable(begin as () => Promise<RemoteIterator>), fields);
    }
    case "object":
      return Object.fromEntries((v as [string, unknown][]).map(([name, field]) => [name, inner(field)]));
  }
  throw new TypeError(`A value of an unknown kind has come: ${$}`);
}

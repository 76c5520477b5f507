/**
 * What a script said last: of a script that has failed, mostly the reason.
 *
 * @module
 */
import { type Bytes, concat, decodeText } from "../core/bytes.ts";

/** How much of the end of a stream is looked at, in bytes. */
const END = 4096;

/** How long a line may be, in characters. */
const LONGEST = 400;

/** Lets a stream through and keeps its end. */
export class LastWords extends TransformStream<Bytes, Bytes> {
  #end: Bytes = new Uint8Array();
  readonly #controller: TransformStreamDefaultController<Bytes>;

  constructor() {
    let made: TransformStreamDefaultController<Bytes>;
    super({
      start: (controller) => void (made = controller),
      transform: (chunk, controller) => {
        this.#end = chunk.length >= END ? chunk.slice(-END) : concat([this.#end, chunk]).slice(-END);
        controller.enqueue(chunk);
      },
    });
    this.#controller = made!;
  }

  /** Adds what nobody has said. */
  note(bytes: Bytes): void {
    this.#controller.enqueue(bytes);
  }

  /** The last line that is not empty, so far; its beginning when it is long. */
  get line(): string {
    const lines = decodeText(this.#end).split(/[\r\n]+/).map((line) => line.trim());
    const line = lines.findLast(Boolean) ?? "";
    return line.length > LONGEST ? `${line.slice(0, LONGEST).toWellFormed()}…` : line;
  }
}

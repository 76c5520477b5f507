/**
 * Where the frames of zstd data begin and end: the platform's decoder reads one frame, and does not tell data that was cut short.
 *
 * Source: RFC 8878, sections 3.1.1 and 3.1.2 (frames, blocks, skippable frames).
 *
 * @module
 */

const MAGIC = 0xfd2fb528;
const SKIPPABLE = 0x184d2a50;

/** Follows the frames of zstd data, chunk by chunk, without decoding them. */
export class ZstdFrames {
  /** Bytes still to be passed over before the next part begins. */
  #skip = 0;
  /** What the next part is, once its bytes are together. */
  #part: "magic" | "descriptor" | "block" | "length" = "magic";
  readonly #held: number[] = [];
  #wanted = 4;
  #checksum = false;
  #afterSkip: "magic" | "block" = "magic";
  #frames = 0;
  #ended = false;

  /**
   * Takes the next bytes.
   *
   * @param bytes The bytes.
   * @returns Where in them a frame ends: the offsets of the bytes after.
   * @throws {Error} When no frame begins where one must.
   */
  push(bytes: Uint8Array): number[] {
    const ends: number[] = [];
    let at = 0;
    while (at < bytes.length) {
      if (this.#skip > 0) {
        const passed = Math.min(this.#skip, bytes.length - at);
        this.#skip -= passed;
        at += passed;
        if (this.#skip === 0) this.#expect(this.#afterSkip);
      } else {
        this.#held.push(bytes[at++]!);
        if (this.#held.length === this.#wanted) this.#take();
      }
      if (this.#ended) ends.push(at);
      this.#ended = false;
    }
    return ends;
  }

  /** Whether the data so far is whole: one frame or more, and nothing begun. */
  get whole(): boolean {
    return this.#frames > 0 && this.#part === "magic" && this.#held.length === 0 && this.#skip === 0;
  }

  #expect(part: "magic" | "descriptor" | "block" | "length"): void {
    this.#ended = part === "magic";
    this.#part = part;
    this.#held.length = 0;
    this.#wanted = { magic: 4, descriptor: 1, block: 3, length: 4 }[part];
  }

  #pass(bytes: number, then: "magic" | "block"): void {
    this.#skip = bytes;
    this.#afterSkip = then;
    if (bytes === 0) this.#expect(then);
  }

  #take(): void {
    const value = this.#held.reduce((sum, byte, i) => sum + byte * 2 ** (8 * i), 0);
    if (this.#part === "magic") this.#begin(value);
    else if (this.#part === "length") this.#pass(value, "magic");
    else if (this.#part === "descriptor") this.#header(value);
    else this.#block(value);
  }

  #begin(magic: number): void {
    if (magic === MAGIC) {
      this.#frames++;
      this.#expect("descriptor");
    } else if (magic >= SKIPPABLE && magic < SKIPPABLE + 16) this.#expect("length");
    else throw new Error("unknown frame");
  }

  #header(descriptor: number): void {
    const single = (descriptor & 0x20) !== 0;
    const size = [single ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
    const dictionary = [0, 1, 2, 4][descriptor & 3]!;
    this.#checksum = (descriptor & 4) !== 0;
    this.#pass((single ? 0 : 1) + dictionary + size, "block");
  }

  #block(header: number): void {
    const last = (header & 1) !== 0;
    const repeated = ((header >> 1) & 3) === 1;
    const size = (repeated ? 1 : header >> 3) + (last && this.#checksum ? 4 : 0);
    this.#pass(size, last ? "magic" : "block");
  }
}

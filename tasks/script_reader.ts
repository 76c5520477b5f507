/**
 * Follows the quoting of a shell script, far enough to tell where a quoted word can stand.
 *
 * @module
 */

/** Where in a script one is. */
export type Place =
  | "open"
  | "single"
  | "double"
  | "comment"
  | "backtick"
  | "expansion"
  | "arithmetic"
  | "here-document";

const FAULTS: Readonly<Record<Exclude<Place, "open" | "double">, string>> = {
  single: "it stands in single quotes; remove them, values are quoted already",
  comment: "it stands in a comment, which a line break in it would end; leave it out",
  backtick: "it stands in backticks, where quotes do not hold; write $(…)",
  expansion: "it stands in ${…} of the shell; put it into a variable first, and use that",
  arithmetic: "it stands in $((…)) and is no whole number; put it into a variable first, and use that",
  "here-document":
    "it stands in a here-document, where quotes do not hold; write printf '%s' and the value, into a pipe",
};

/** A here-document whose body has not begun, or goes on. */
interface HereDocument {
  readonly delimiter: string;
  readonly tabs: boolean;
}

/** Reads a script piece by piece. */
export class ShellReader {
  /** What is open, the innermost last. `paren` is `$(` or `(`. */
  readonly #open: ("single" | "double" | "backtick" | "expansion" | "arithmetic" | "paren")[] = [];
  #escaped = false;
  #dollar = false;
  #comment = false;
  /** Whether a `#` here begins a comment. */
  #wordStart = true;
  #pending: HereDocument[] = [];
  #body: HereDocument | undefined;
  /** The line of a here-document so far. */
  #line = "";
  /** The operator `<<` and what follows it, while its delimiter is read. */
  #operator: string | undefined;
  #last = "";

  /** Where one is. */
  get place(): Place {
    if (this.#body) return "here-document";
    if (this.#comment) return "comment";
    const top = this.#open.at(-1);
    if (this.#open.includes("backtick")) return "backtick";
    return top === undefined || top === "paren" ? "open" : top;
  }

  /** Why no word can stand here; nothing when one can. */
  get fault(): string | undefined {
    if (this.#escaped) return "it follows a backslash, which would take the quote away; remove one of them";
    if (this.#dollar) return "it follows a $, which would change what its quotes mean; remove the $";
    if (this.#operator !== undefined) {
      return "it stands where a here-document says how it ends; write the word itself";
    }
    const { place } = this;
    if (place === "double") return this.#open.includes("expansion") ? FAULTS.expansion : undefined;
    return place === "open" ? undefined : FAULTS[place];
  }

  /**
   * Goes on.
   *
   * @param text The next piece.
   */
  read(text: string): void {
    for (let i = 0; i < text.length; i++) i += this.#step(text, i);
  }

  /** Takes a character, and says how many more it took. */
  #step(text: string, at: number): number {
    const char = text[at]!;
    const last = this.#last;
    this.#last = char;
    if (this.#body) return this.#inBody(char);
    if (this.#comment) {
      if (char === "\n") this.#newLine();
      return 0;
    }
    const top = this.#open.at(-1);
    if (top === "single") {
      if (char === "'") this.#open.pop();
      return 0;
    }
    if (this.#operator !== undefined && this.#delimiter(char)) return 0;
    if (this.#escaped) {
      this.#escaped = this.#wordStart = false;
      this.#last = "";
      return 0;
    }
    const dollar = this.#dollar;
    this.#dollar = char === "$" && !dollar;
    if (char === "\\") {
      this.#escaped = true;
      return 0;
    }
    if (dollar && (char === "(" || char === "{")) return this.#expansion(text, at);
    if (char === "`") {
      if (this.#open.includes("backtick")) this.#open.length = this.#open.lastIndexOf("backtick");
      else this.#open.push("backtick");
      return 0;
    }
    if (top === "double") {
      if (char === '"') this.#open.pop();
      return 0;
    }
    return this.#plain(char, last, top);
  }

  #expansion(text: string, at: number): number {
    this.#dollar = false;
    if (text[at] === "{") this.#open.push("expansion");
    else if (text[at + 1] === "(") {
      this.#open.push("arithmetic");
      return 1;
    } else {
      this.#open.push("paren");
      this.#wordStart = true;
    }
    return 0;
  }

  #plain(char: string, last: string, top: string | undefined): number {
    if (char === "'" && top !== "arithmetic") this.#open.push("single");
    else if (char === '"') this.#open.push("double");
    else if (char === "}" && top === "expansion") this.#open.pop();
    else if (char === "(") this.#open.push("paren");
    else if (char === ")") {
      if (top === "paren") this.#open.pop();
      else if (top === "arithmetic" && last === ")") this.#open.pop();
    } else if (char === "#" && this.#wordStart && top !== "expansion" && top !== "arithmetic") {
      this.#comment = true;
    } else if (char === "<" && last === "<" && top !== "arithmetic") {
      this.#operator = "";
      // `<<<` is no here-document, and the third `<` begins none.
      this.#last = "";
    } else if (char === "\n") {
      this.#newLine();
      return 0;
    }
    this.#wordStart = /[\s;&|()<>]/.test(char);
    return 0;
  }

  /** Reads the delimiter of a here-document; `false` when the character is none of it. */
  #delimiter(char: string): boolean {
    const soFar = this.#operator!;
    if (soFar === "" && char === "<") {
      this.#operator = undefined;
      return true;
    }
    if (/[ \t]/.test(char) && /^-?$/.test(soFar)) return true;
    if (!/[\s;&|()<>]/.test(char)) {
      this.#operator = soFar + char;
      return true;
    }
    this.#operator = undefined;
    const tabs = soFar.startsWith("-");
    this.#pending.push({ delimiter: (tabs ? soFar.slice(1) : soFar).replace(/['"\\]/g, ""), tabs });
    return false;
  }

  #newLine(): void {
    this.#comment = false;
    this.#wordStart = true;
    this.#body = this.#pending.shift();
    this.#line = "";
  }

  #inBody(char: string): number {
    if (char !== "\n") {
      this.#line += char;
      return 0;
    }
    const { delimiter, tabs } = this.#body!;
    const line = tabs ? this.#line.replace(/^\t+/, "") : this.#line;
    this.#line = "";
    if (line === delimiter) {
      this.#body = this.#pending.shift();
      this.#wordStart = true;
    }
    return 0;
  }
}

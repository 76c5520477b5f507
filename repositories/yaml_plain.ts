/**
 * The plainest of YAML documents, read at once: one level of names, each with a text, a number, a boolean or null on its line. What tasks
 * leave behind is of this kind, and so are most small documents.
 *
 * @module
 */

/** How long a document may be, in characters: a line of a longer one could use up the stack of the expression. */
const LONGEST = 4096;

/**
 * A line: a name, and either a number, a text in quotes without escapes, or a text without quotes. All that could mean something else to
 * YAML (an indent, a comment, an anchor, a tag, a text over several lines, a number in another form) is not of this form.
 */
const LINE =
  /(?:([A-Za-z_][A-Za-z0-9_]*)|"([ !#-[\]-~]*)"): (?:(0|-?[1-9][0-9]{0,14}|-?(?:0|[1-9][0-9]{0,5})\.[0-9]{1,9})|"([ !#-[\]-~]*)"|([A-Za-z](?:[A-Za-z0-9_./@()+-]|[ ](?=[A-Za-z0-9_./@()+-]))*))\n/y;

/** Words that some form of YAML takes for something else than a text. */
const WORD = /^(?:true|false|null|nan|inf)$/i;

/**
 * Reads a document of the plainest kind.
 *
 * @param text The text.
 * @returns The document as any reader of YAML 1.2 gives it; nothing when it takes one to read it.
 */
export function plainYaml(text: string): Record<string, string | number | boolean | null> | undefined {
  if (text.length > LONGEST || text === "") return undefined;
  const document: Record<string, string | number | boolean | null> = {};
  LINE.lastIndex = 0;
  for (let at = 0; at < text.length; at = LINE.lastIndex) {
    const line = LINE.exec(text);
    if (!line) return undefined;
    const [, bare, quoted, number, inQuotes, word] = line;
    const name = bare ?? quoted!;
    // A name that stands there twice is an error, and these two are no plain names: all that is for the reader to say.
    if (name === "__proto__" || (bare !== undefined && WORD.test(bare)) || Object.hasOwn(document, name)) {
      return undefined;
    }
    if (number !== undefined) document[name] = Number(number);
    else if (inQuotes !== undefined) document[name] = inQuotes;
    else if (word === "true") document[name] = true;
    else if (word === "false") document[name] = false;
    else if (word === "null") document[name] = null;
    else if (WORD.test(word!)) return undefined;
    else document[name] = word!;
  }
  return document;
}

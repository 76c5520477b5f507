/** The scanner of command lines. @module */
export {
  type ApplicationText,
  ArgumentScannerError,
  buildApplication,
  buildCommand,
  formatMessageForArgumentScannerError,
  numberParser,
  run,
  text_en,
} from "npm:@stricli/core@^1.3.0";

import type { Logger } from '@graft/core';
import type { Row } from '../rows/rows';

/** Key under which conversations declare the tools that an assistant may call. */
const TOOLS = 'tools';

/** Warns at the first row that declares tools: templates get none, so that the conversation is rendered without them. */
export function toolsNotice(logger: Logger): (row: Row) => void {
  let isNoted = false;
  return (row) => {
    const tools = Object.hasOwn(row, TOOLS) ? row[TOOLS] : undefined;
    if (isNoted || tools === undefined || tools === null || (Array.isArray(tools) && tools.length === 0)) return;
    isNoted = true;
    logger.warn(
      `Conversations declare tools (under "${TOOLS}"): the declarations are ignored, and the conversations are rendered without them.`,
    );
  };
}

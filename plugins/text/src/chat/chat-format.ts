/** How a conversation becomes text: by a chat template, or in Gemma's markup. */
import { DataError, type NamedToken, type Tokenizer } from '@graft/core';
import type { JinjaTemplate } from './jinja';
import { pythonStrip } from './python-text';
import { AddedTokenFinder } from '../tokenizers/tokenizer-json/added-tokens';

/** One message, with whatever else its template may read (such as `tool_calls`). */
export interface ChatMessage {
  /** `system`, `user` or `assistant`, or another role that the template knows. */
  readonly role: string;
  /** A text, or parts (`{ type: 'text', text }`) if the template accepts them. */
  readonly content?: unknown;
  readonly [key: string]: unknown;
}

/** The words that delimit turns in a chat template. */
export interface ChatMarkers {
  readonly startOfTurn: string;
  readonly endOfTurn: string;
  readonly user: string;
  readonly model: string;
}

/** The words of Gemma's chat template. */
export const GEMMA_MARKERS: ChatMarkers = {
  startOfTurn: '<start_of_turn>',
  endOfTurn: '<end_of_turn>',
  user: 'user',
  model: 'model',
};

/** The text before an answer that is to be learned, and the answer. */
export interface AnswerPair {
  readonly source: string;
  /** With its end of turn. */
  readonly target: string;
}

interface RenderOptions {
  /** Whether the model's turn begins at the end. */
  readonly addGenerationPrompt: boolean;
  readonly marks?: readonly [open: string, close: string];
}

type Render = (messages: readonly ChatMessage[], options: RenderOptions) => string;

/** UTF-16 units of all sources and targets of one conversation: each answer includes everything before it. */
const MOST_ANSWER_CHARACTERS = 2 ** 25;

/** Enclose the contents of `{% generation %}`: characters of the last private plane, which no text uses. */
const MARKS = ['\u{10fffc}', '\u{10fffd}'] as const;

/** Renders conversations with a checkpoint's chat template, and finds the tokens of its answers. */
export class ChatFormat {
  private readonly specialTokens: readonly NamedToken[];
  /** Texts of special tokens, which separate turns from their contents. */
  private readonly controls: readonly string[];
  private readonly finder: AddedTokenFinder;
  private ending: string | undefined;

  private constructor(
    /** The source of the format, for a log: a file, or `Gemma's markup`. */
    readonly origin: string,
    /** Identifies the rendering: two formats that render alike have the same identity. */
    readonly identity: string,
    private readonly renderAs: Render,
    private readonly template: Pick<JinjaTemplate, 'marksAnswers' | 'readsDate'> | undefined,
    tokenizer: Pick<Tokenizer, 'namedTokens'>,
    /** Texts that are control tokens, whatever the tokenizer knows of them. */
    markup: readonly string[],
  ) {
    this.specialTokens = (tokenizer.namedTokens ?? []).filter(({ kind }) => kind === 'special');
    this.controls = [...new Set([...markup, ...this.specialTokens.map(({ token }) => token)])].filter(
      (token) => token.trim() !== '',
    );
    const plain = { singleWord: false, lstrip: false, rstrip: false, normalized: false, special: true };
    this.finder = new AddedTokenFinder(this.controls.map((content, id) => [content, { id, content, ...plain }]));
  }

  /** By a template; `special` are the texts it knows as `bos_token` and so on. `now`: for `strftime_now`. */
  static ofTemplate(
    template: JinjaTemplate,
    special: Readonly<Record<string, string>>,
    tokenizer: Pick<Tokenizer, 'namedTokens'>,
    now?: Date,
  ): ChatFormat {
    const render: Render = (messages, { addGenerationPrompt, marks }) =>
      template.render(
        { tools: null, documents: null, ...special, messages, add_generation_prompt: addGenerationPrompt },
        { generationMarks: marks, now },
      );
    const identity = JSON.stringify([template.source, special, now?.toDateString()]);
    return new ChatFormat(template.file, identity, render, template, tokenizer, Object.values(special));
  }

  /** Gemma's markup: turns are trimmed, and a system message precedes the first question, as in Gemma 3's template. */
  static ofMarkers(markers: ChatMarkers, tokenizer: Pick<Tokenizer, 'namedTokens'>): ChatFormat {
    const same = Object.entries(GEMMA_MARKERS).every(([name, text]) => markers[name as keyof ChatMarkers] === text);
    return new ChatFormat(
      same ? "Gemma's markup" : 'the markers',
      JSON.stringify(markers),
      (messages, options) => renderMarkup(messages, markers, options),
      undefined,
      tokenizer,
      [markers.startOfTurn, markers.endOfTurn],
    );
  }

  /** Whether the rendered text depends on the day. */
  get readsDate(): boolean {
    return this.template?.readsDate === true;
  }

  /** The conversation as the model reads it before it answers. Throws DataError if the template refuses it. */
  prompt(messages: readonly ChatMessage[]): string {
    return this.renderAs(messages, { addGenerationPrompt: true });
  }

  /** The whole conversation, with nothing after it. Throws DataError if the template refuses it. */
  render(messages: readonly ChatMessage[]): string {
    return this.renderAs(messages, { addGenerationPrompt: false });
  }

  /**
   * The last answer of a conversation, or each of them: its text including the end of its turn, and before it exactly
   * what the model would read before it answers. If a template marks the model's text with `{% generation %}`, these
   * marks decide. Throws DataError if the answers cannot be separated from the rest.
   */
  answers(messages: readonly ChatMessage[], which: 'last' | 'every'): AnswerPair[] {
    if (this.template?.marksAnswers) return this.markedAnswers(messages, which);
    const positions = messages.flatMap(({ role }, i) => (role === 'assistant' ? [i] : []));
    let characters = 0;
    return (which === 'last' ? positions.slice(-1) : positions).map((position) => {
      const pair = this.answerAt(messages, position);
      characters += pair.source.length + pair.target.length;
      this.checkAnswers(characters);
      return pair;
    });
  }

  /** Special tokens that occur in a message's texts: a tokenizer would make control tokens of them. */
  specialWithin({ content }: ChatMessage): string | undefined {
    const texts = [content].flat().map((part: unknown) => (typeof part === 'string' ? part : textOf(part)));
    const found: number[] = [];
    // Each text is searched once, however many special tokens there are.
    for (const text of texts) this.finder.each(text, (control) => found.push(control), NOTHING);
    return found.length === 0 ? undefined : this.controls[Math.min(...found.slice(0, MOST_FOUND))];
  }

  /**
   * What ends an answer: the id of one token, or a text if the tokenizer has no such token; neither if nothing ends it.
   */
  endOfTurn(): { readonly token?: number; readonly text?: string } {
    const text = this.turnEnd(this.usualEnding());
    const token = this.specialTokens.find((special) => special.token === text.trim());
    return token ? { token: token.id } : { text: text.trim() || undefined };
  }

  private answerAt(messages: readonly ChatMessage[], position: number): AnswerPair {
    const before = messages.slice(0, position);
    const whole = this.render([...before, messages[position]]);
    const source = this.prompt(before);
    if (!whole.startsWith(source))
      throw this.unclear(
        `what is read before answer ${position} does not begin the conversation that the answer is part of`,
      );
    const rest = whole.slice(source.length);
    let ending = this.usualEnding();
    if (!rest.endsWith(ending)) ending = this.endingOf(before);
    if (!rest.endsWith(ending)) throw this.unclear(`the end of answer ${position} cannot be found`);
    const target = rest.slice(0, rest.length - ending.length) + this.turnEnd(ending);
    if (target === '') throw this.unclear(`nothing of answer ${position} is rendered`);
    return { source, target };
  }

  private markedAnswers(messages: readonly ChatMessage[], which: 'last' | 'every'): AnswerPair[] {
    const [open, close] = MARKS;
    const json = JSON.stringify(messages);
    if (json.includes(open) || json.includes(close))
      throw this.unclear(`it holds ${json.includes(open) ? 'U+10FFFC' : 'U+10FFFD'}, by which Graft marks answers`);
    const pieces = this.renderAs(messages, { addGenerationPrompt: false, marks: MARKS }).split(open);
    const pairs: AnswerPair[] = [];
    let source = pieces[0];
    let characters = 0;
    for (const piece of pieces.slice(1)) {
      const [target, behind, ...more] = piece.split(close);
      if (behind === undefined || more.length > 0) throw this.unclear('its marks of answers do not go in pairs');
      if (target !== '') pairs.push({ source, target });
      characters += source.length + target.length;
      this.checkAnswers(characters);
      source += target + behind;
    }
    if (pairs.length === 0) throw this.unclear('it marks no answer in it');
    return which === 'last' ? pairs.slice(-1) : pairs;
  }

  private checkAnswers(characters: number): void {
    if (characters <= MOST_ANSWER_CHARACTERS) return;
    throw new DataError(
      `The answers of a conversation, each with all that is before it, have more than ${MOST_ANSWER_CHARACTERS.toLocaleString('en')} characters.`,
      {
        code: 'chat.too-long',
        exitCode: 2,
        hint: 'Take the last answer alone (answers: last), or cut the conversation.',
      },
    );
  }

  private usualEnding(): string {
    return (this.ending ??= this.endingOf([{ role: 'user', content: 'x' }]));
  }

  /** What the format writes after an answer: the common end of two conversations with different answers. */
  private endingOf(before: readonly ChatMessage[]): string {
    const [one, two] = ['x', 'y'].map((content) => this.render([...before, { role: 'assistant', content }]));
    let common = 0;
    while (common < one.length && one[one.length - 1 - common] === two[two.length - 1 - common]) common++;
    return one.slice(one.length - common);
  }

  /** The end of turn in the text after an answer: up to the first special token, including blanks before it. */
  private turnEnd(ending: string): string {
    const ends = this.controls
      .map((token) => ({ token, at: ending.indexOf(token) }))
      .filter(({ at }) => at >= 0)
      .sort((a, b) => a.at - b.at || b.token.length - a.token.length);
    const [first] = ends;
    if (first) return ending.slice(0, first.at + first.token.length);
    return ending.trim() === '' ? '' : ending;
  }

  private unclear(problem: string): DataError {
    return new DataError(
      `The chat template of ${this.origin} does not show which part of a conversation is an answer: ${problem}.`,
      {
        code: 'chat.answers',
        exitCode: 2,
        hint: 'Mark them in the template with {% generation %} and {% endgeneration %}, or render the conversations yourself and use the dataset `jsonl`.',
      },
    );
  }
}

/** At most this many special tokens are found in a text, to name one of them. */
const MOST_FOUND = 1000;
const NOTHING = (): void => undefined;

function textOf(part: unknown): string {
  const { text } = (part ?? {}) as { text?: unknown };
  return typeof text === 'string' ? text : '';
}

function renderMarkup(
  messages: readonly ChatMessage[],
  { startOfTurn, endOfTurn, ...names }: ChatMarkers,
  { addGenerationPrompt }: RenderOptions,
): string {
  const refused = (problem: string): DataError =>
    new DataError(`A conversation in Gemma's markup goes question, answer, question, answer: ${problem}.`, {
      code: 'chat.refused',
      exitCode: 2,
    });
  let system = '';
  let turns = 0;
  let text = '';
  for (const [i, { role, content }] of messages.entries()) {
    if (typeof content !== 'string') throw refused(`message ${i} should hold a text`);
    if (role === 'system') {
      if (i > 0) throw refused(`message ${i} is a system message, which only the first one can be`);
      system = `${content}\n\n`;
      continue;
    }
    const expected = turns % 2 === 0 ? 'user' : 'assistant';
    if (role !== expected) throw refused(`message ${i} is of the role "${role}", where it was the ${expected}'s turn`);
    text += `${startOfTurn}${role === 'user' ? names.user : names.model}\n${turns === 0 ? system : ''}${pythonStrip(content)}${endOfTurn}\n`;
    turns++;
  }
  if (turns === 0) throw refused('there is no question');
  return addGenerationPrompt ? `${text}${startOfTurn}${names.model}\n` : text;
}

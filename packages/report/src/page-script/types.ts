/// <reference lib="dom" />
/** Types that the parts of the page's script share. Each part is one function, whose source text the page contains. */
import type { ECharts } from 'echarts';
import type { Chart, ChartLine } from '../charts';
import type { FrontierData } from '../frontier/section';

/** The data that the page passes to its script. */
export interface ClientData {
  readonly charts: readonly Chart[];
  /** Absent if there is nothing to compare. */
  readonly frontier?: FrontierData;
  readonly colors: { readonly light: readonly string[]; readonly dark: readonly string[] };
  readonly dashes: readonly (readonly number[])[];
  /** Whether `graft report --watch` serves the page and pushes changes. */
  readonly live: boolean;
}

/** What a live page fetches when a run has changed: HTML by the id of its element, and the curves. */
export interface PageUpdate {
  readonly heading: string;
  readonly sections: Readonly<Record<string, string>>;
  readonly charts: readonly Chart[];
  readonly frontier?: FrontierData;
}

/** The part of ECharts that the page uses; its build is inlined before the script. */
export interface Charting {
  init(element: HTMLElement, theme: string | null, options: { renderer: 'svg' }): ECharts;
}

export type Axis = 'steps' | 'samples' | 'tokens' | 'seconds';
export type Range = readonly [from: number, to: number];

/** What the reader selected. */
export interface View {
  axis: Axis;
  logarithmic: boolean;
  smooth: boolean;
  /** Whether the seconds axis excludes tracing and compilation. */
  withoutCompiling: boolean;
  /** Indices of runs. */
  readonly hidden: Set<number>;
  /** The shown part of the x axis, the same for all charts; undefined: all. */
  range?: Range;
  /** The shown part of the y axis, by chart id. */
  readonly heights: Map<string, Range>;
}

export interface Formatting {
  /** For axes. */
  readonly short: (value: number) => string;
  /** For values that the reader reads from a line. */
  readonly exact: (value: number) => string;
}

/** A value that the reader reads from a line. */
export interface Reading {
  readonly line: ChartLine;
  readonly x: number;
  readonly value: number;
  /** Height at which a smoothed line is drawn. */
  readonly smoothed?: number;
}

export type Point = [x: number, value: number | null];

export interface CurveTools {
  /** Lines of runs that are not hidden and have a point on the selected axis. */
  readonly visible: (chart: Chart, view: View) => ChartLine[];
  /**
   * The points of a line in the shown range, with a neighbour on each side. `values`: the line's own, or smoothed ones.
   */
  readonly points: (line: ChartLine, view: View, values: readonly (number | null)[]) => Point[];
  /** A moving average over a fiftieth of the line; undefined if the line is not smoothed. */
  readonly smoothed: (chart: Chart, line: ChartLine, view: View) => (number | null)[] | undefined;
  /** All x in the shown range at which a visible line has a value, in ascending order. */
  readonly stops: (chart: Chart, view: View) => number[];
  /** For each visible line that reaches x, its nearest point; largest value first. */
  readonly readings: (chart: Chart, view: View, x: number) => Reading[];
}

export interface TableTools {
  /** Adds sorting buttons to new tables, and applies the hidden runs and the selected order. */
  readonly refresh: (hidden: ReadonlySet<number>) => void;
}

export interface Drawn {
  readonly chart: Chart;
  readonly element: HTMLElement;
  readonly instance: ECharts;
}

export interface ChartBoard {
  /** Shows these charts in the elements with their ids. */
  readonly show: (charts: readonly Chart[]) => void;
  readonly redraw: () => void;
  /** Emphasizes the lines of a run; undefined: none. */
  readonly highlight: (run: number | undefined) => void;
  readonly resize: () => void;
  /** The chart of the nearest element that contains `target`. */
  readonly at: (target: EventTarget | null) => Drawn | undefined;
  /** Shows the tooltip at an x of the chart's axis, and returns its text. */
  readonly readOff: (drawn: Drawn, x: number) => string;
}

export interface FrontierBoard {
  /** Shows this data in its element, if the page has it. */
  readonly show: (data: FrontierData | undefined) => void;
  /** Applies a switch of the chart. */
  readonly choose: (control: HTMLSelectElement | HTMLInputElement) => void;
  readonly redraw: () => void;
}

export interface ChartStyle {
  /** The colour of a run. */
  readonly colorOf: (run: number) => string;
  /** Of texts, of rules, and of what lies under tooltips. */
  readonly tones: () => { readonly ink: string; readonly line: string; readonly ground: string };
  /** Calls back when the reader changes the scheme. */
  readonly onChange: (redraw: () => void) => void;
}

/// <reference lib="dom" />
/** Types that the parts of the page's script share. Each part is one function, whose source text the page contains. */
import type { ECharts } from 'echarts';
import type { Chart, ChartLine } from '../charts';

/** The data that the page passes to its script. */
export interface ClientData {
  readonly charts: readonly Chart[];
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
  /** The seconds axis counts no tracing and compiling. */
  withoutCompiling: boolean;
  /** Indices of runs. */
  readonly hidden: Set<number>;
  /** The part of the x axis shown, of all charts; undefined: all. */
  range?: Range;
  /** The part of the y axis shown, by the id of a chart. */
  readonly heights: Map<string, Range>;
}

export interface Formatting {
  /** For axes. */
  readonly short: (value: number) => string;
  /** For readings. */
  readonly exact: (value: number) => string;
}

/** A point of a line, as the reader reads it off. */
export interface Reading {
  readonly line: ChartLine;
  readonly x: number;
  readonly value: number;
  /** Where a smoothed line is drawn. */
  readonly smoothed?: number;
}

export type Point = [x: number, value: number | null];

export interface CurveTools {
  /** Lines of runs that are not hidden and have a point on the selected axis. */
  readonly visible: (chart: Chart, view: View) => ChartLine[];
  /** The points of a line in the shown range, with a neighbour on each side. `values`: its own, or smoothed ones. */
  readonly points: (line: ChartLine, view: View, values: readonly (number | null)[]) => Point[];
  /** A moving average over a fiftieth of the line; undefined where the line is drawn as it is. */
  readonly smoothed: (chart: Chart, line: ChartLine, view: View) => (number | null)[] | undefined;
  /** All x in the shown range at which a visible line has a value, in order. */
  readonly stops: (chart: Chart, view: View) => number[];
  /** For each visible line that reaches x, its point nearest to it; largest value first. */
  readonly readings: (chart: Chart, view: View, x: number) => Reading[];
}

export interface TableTools {
  /** Adds buttons for sorting to new tables, and applies what is hidden and sorted. */
  readonly refresh: (hidden: ReadonlySet<number>) => void;
}

export interface Drawn {
  readonly chart: Chart;
  readonly element: HTMLElement;
  readonly instance: ECharts;
}

export interface ChartBoard {
  /** Shows these charts in the elements of their ids. */
  readonly show: (charts: readonly Chart[]) => void;
  readonly redraw: () => void;
  /** Emphasizes the lines of a run; undefined: of none. */
  readonly highlight: (run: number | undefined) => void;
  readonly resize: () => void;
  /** The chart drawn in an element that contains this one. */
  readonly at: (target: EventTarget | null) => Drawn | undefined;
  /** Shows the tooltip at an x of its axis and returns what it says. */
  readonly readOff: (drawn: Drawn, x: number) => string;
}

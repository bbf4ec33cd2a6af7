'use strict';

// A plugin for tests of data that are read in threads: the numbers 0, 1, 2, …, with noise of the component's stream.
const { DataError, defineComponent, definePlugin } = require('@graft/core');
const { appendFileSync } = require('node:fs');
const { setImmediate, setInterval } = require('node:timers');
const { z } = require('zod');

const options = z.strictObject({
  count: z.int().default(1000),
  repeat: z.boolean().default(true),
  skips: z.boolean().default(true),
  failAt: z.int().optional(),
  engine: z.boolean().default(false),
  exitAt: z.int().optional(),
  exitStatus: z.int().default(3),
  /** Throws where nobody catches it, and says nothing more. */
  breakAt: z.int().optional(),
  exitWhenOpened: z.boolean().default(false),
  variants: z.boolean().default(false),
  /** A file that gets a line when the dataset is disposed; "hang": it never is. */
  disposal: z.string().optional(),
});

class Numbers {
  kind = 'examples';
  fields = [
    { name: 'x', dtype: 'int32', rank: 1 },
    { name: 'y', dtype: 'float32', rank: 1 },
  ];
  next = 0;
  constructor({ options, random, engine, logger }) {
    Object.assign(this, { options, random, length: options.count });
    if (options.exitWhenOpened) process.exit(0);
    if (options.engine) engine.jit(() => undefined);
    if (options.skips) this.skip = (items) => this.passOver(items);
    if (options.variants) {
      this.variants = ['even', 'odd'];
      this.select = (variant) => this.turnTo(variant);
    }
    logger.info('numbers opened');
  }
  // Each variant takes numbers of its own size of step, so that an item tells whom it was for.
  turnTo(variant) {
    if (variant === 'none') throw new DataError('No numbers are none.', { code: 'numbers.none', exitCode: 2 });
    this.stride = variant === 'even' ? 2 : variant === 'odd' ? 3 : 1;
    return variant === 'even' ? this.fields.slice(0, 1).concat({ ...this.fields[1], optional: true }) : this.fields;
  }
  async dispose() {
    const { disposal } = this.options;
    if (disposal === 'hang') await new Promise(() => setInterval(() => undefined, 1000));
    if (disposal === 'fail') throw new Error('no');
    if (disposal) appendFileSync(disposal, `disposed at ${this.next}, ${this.open ? 'still read' : 'read'}\n`);
  }
  position() {
    return { next: this.next };
  }
  async restore({ next }) {
    this.next = next;
  }
  async passOver(items) {
    const { count, repeat } = this.options;
    const own = repeat ? items : Math.min(items, count - this.next);
    this.next += this.stride ? own * this.stride : own;
    return own;
  }
  async *[Symbol.asyncIterator]() {
    try {
      yield* this.numbers();
    } finally {
      this.open = false;
    }
  }
  async *numbers() {
    const { count, repeat, failAt, exitAt, breakAt } = this.options;
    this.open = true;
    while (repeat || this.next < count) {
      const number = this.next;
      this.next += this.stride ?? 1;
      if (number === failAt)
        throw new DataError('Number ' + number + ' is bad.', { code: 'numbers.bad', hint: 'Count on.' });
      if (number === exitAt) process.exit(this.options.exitStatus);
      if (number === breakAt) {
        setImmediate(() => {
          throw new Error('Nobody catches this.');
        });
        await new Promise(() => undefined);
      }
      const noise = this.random.fork(number).uniform();
      yield {
        x: { dtype: 'int32', shape: [3], values: Int32Array.from([9, number, 9, 9, 9]).subarray(1, 4) },
        y: { dtype: 'float32', shape: [1], values: Float32Array.from([noise]) },
      };
    }
  }
}

exports.plugin = definePlugin({
  name: 'numbers',
  components: [
    defineComponent({ interface: 'dataset', id: 'numbers', options, useFactory: (context) => new Numbers(context) }),
  ],
});

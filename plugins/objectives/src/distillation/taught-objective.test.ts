import type { Objective } from '@graft/core';
import { Mixture } from '../objectives/mixture';
import { teachersOf, withoutTeachers, type ObjectiveTeacher, type TaughtObjective } from './taught-objective';

const teacher = (...section: ObjectiveTeacher['section']): ObjectiveTeacher => ({
  section,
  distillation: { teacher: 'teacher', loss: 'blend', temperature: 1 },
});

it('withoutTeachers leaves out the sections of teachers, and keeps everything else in its order', () => {
  const distillation = { teacher: 'teacher', temperature: 2 };
  expect(
    JSON.stringify(withoutTeachers({ use: 'prefix-lm', distillation, split: 'half' }, [teacher('distillation')])),
  ).toBe('{"use":"prefix-lm","split":"half"}');
  const mixture = {
    use: 'mixture',
    objectives: [
      { rate: 1, objective: { use: 'ul2' }, name: 'a' },
      { rate: 2, objective: { use: 'prefix-lm', distillation, zLoss: 0 }, name: 'b' },
    ],
    more: true,
  };
  const section = teacher('objectives', 1, 'objective', 'distillation');
  expect(JSON.stringify(withoutTeachers(mixture, [section]))).toBe(
    '{"use":"mixture","objectives":[{"rate":1,"objective":{"use":"ul2"},"name":"a"},{"rate":2,"objective":{"use":"prefix-lm","zLoss":0},"name":"b"}],"more":true}',
  );
  expect(withoutTeachers(mixture, [])).toBe(mixture);
});

it('a mixture says where the teachers of its members stand, whoever wrote the members', () => {
  const plain = { batchFields: [], inputFields: () => [] } as unknown as Objective;
  const taught: TaughtObjective = { ...plain, teachers: [{ ...teacher('mentor'), variant: 'late' }] };
  const member = { rate: 1, fromStep: 0 };
  const mixture = new Mixture([
    { ...member, name: 'plain', objective: plain },
    { ...member, name: 'taught', objective: taught },
  ]);
  expect(teachersOf(plain)).toEqual([]);
  expect(teachersOf(mixture)).toEqual([{ ...teacher('objectives', 1, 'objective', 'mentor'), variant: 'taught/late' }]);
});

import { withoutTeachers, type ObjectiveTeacher } from './taught-objective';

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

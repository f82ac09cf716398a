/** What is worked out of a field section once. */

import { describe, expect, test } from '@jest/globals';
import { derive, deriveFields, markRepeated } from '../src/derive.ts';
import { FieldSections } from '../src/wire/field-lines.ts';
import { collectGarbage } from './helpers/garbage.ts';

describe('derive', () => {
  test('asks once for what repeats, and each time for what does not', () => {
    let asked = 0;
    const count = (fields: readonly string[]) => {
      asked += 1;
      return fields.length;
    };
    const fields = ['a', '1'];
    expect([derive(fields, count), derive(fields, count), asked]).toEqual([2, 2, 2]);
    markRepeated(fields);
    expect([derive(fields, count), derive(fields, count), asked]).toEqual([2, 2, 3]);
    expect(derive(fields, ([name]) => name)).toBe('a');
  });

  test('what fails is not kept', () => {
    const fields = ['a', '1'];
    markRepeated(fields);
    const fail = () => {
      throw new Error('refused');
    };
    expect(() => derive(fields, fail)).toThrow('refused');
    expect(() => derive(fields, fail)).toThrow('refused');
  });

  test('fields made of fields that repeat are known to repeat, others are not', () => {
    const copy = (fields: readonly string[]) => [...fields];
    const [once, again] = [
      ['a', '1'],
      ['a', '1'],
    ];
    markRepeated(again);
    expect(deriveFields(again, copy)).toBe(deriveFields(again, copy));
    expect(derive(deriveFields(again, copy), copy)).toBe(derive(deriveFields(again, copy), copy));
    expect(deriveFields(once, copy)).not.toBe(deriveFields(once, copy));
    expect([...again]).toEqual(once);
  });

  test('keeps nothing that nobody can ask for any more, however long the fields live', async () => {
    const fields = ['a', '1'];
    markRepeated(fields);
    const derived = new WeakRef(derive(fields, (section) => ({ section })));
    await collectGarbage();
    expect([derived.deref(), [...fields]]).toEqual([undefined, ['a', '1']]);
  });
});

describe('FieldSections', () => {
  test('gives the same array for the same bytes in a row, and another one for any others', () => {
    const sections = new FieldSections();
    const first = sections.parse('A: 1\r\nB: 2', 0);
    expect(sections.parse('GET / HTTP/1.1\r\nA: 1\r\nB: 2', 16)).toBe(first);
    const second = sections.parse('A: 1\r\nB: 3', 0);
    expect([[...first], [...second]]).toEqual([
      ['A', '1', 'B', '2'],
      ['A', '1', 'B', '3'],
    ]);
    expect(sections.parse('A: 1\r\nB: 2', 0)).not.toBe(first);
  });

  test('what is derived of a section that has come again is kept with it', () => {
    const sections = new FieldSections();
    let asked = 0;
    const count = () => {
      asked += 1;
      return asked;
    };
    const told = Array.from({ length: 4 }, () => derive(sections.parse('A: 1', 0), count));
    expect(told).toEqual([1, 2, 2, 2]);
  });

  test('keeps no section that is long, and forgets none for one that is refused', () => {
    const sections = new FieldSections();
    const long = `A: ${'a'.repeat(2_100)}`;
    expect(sections.parse(long, 0)).not.toBe(sections.parse(long, 0));
    const short = sections.parse('A: 1', 0);
    expect(() => sections.parse('A 1', 0)).toThrow('colon');
    expect(sections.parse('A: 1', 0)).toBe(short);
  });
});

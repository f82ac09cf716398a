/** What is wrong with one answer, in the words of `check`: the config that it would make is judged as a whole. */

import { layerFrom } from '../../config/layer.ts';
import { parseConfig } from '../../config/parse.ts';
import { formatPath } from '../../config/path.ts';
import { ruleFindings } from '../../config/rules.ts';
import { type Answers, completed, type OfferedMethods, QUESTIONS, type QuestionName } from './questions.ts';
import { isReference, starterConfig } from './starter-config.ts';

/** @param given the answers before it, without fault; what is still open is taken as good */
export function answerProblem(name: QuestionName, answer: string, given: Partial<Answers>, offered: OfferedMethods): string | undefined {
  const { choices, isReference: refers, fallback } = QUESTIONS[name];
  if (choices !== undefined && !choices.includes(answer)) return `is none of the choices; use one of ${choices.join(', ')}`;
  const isOptional = fallback?.(completed(given, offered), offered) === '';
  if (answer === '') return isOptional ? undefined : 'is empty; give one';
  // Whatever was typed may be the secret itself: it is not quoted.
  if (refers && !isReference(answer)) return 'is not a place; write env:NAME or file:PATH, never the secret itself';
  if (name === 'callerCertificate' && !/^(?:uri|dns|commonName|fingerprint):./.test(answer))
    return 'does not say what to look at; write uri:…, dns:…, commonName:… or fingerprint:…';
  return configProblem(completed({ ...given, [name]: answer }, offered));
}

function configProblem(answers: Answers): string | undefined {
  const { raw, problems } = layerFrom('', starterConfig(answers, 'a hash'), '');
  const { config, names, complete, findings } = parseConfig(raw);
  const ruled = config === undefined ? [] : ruleFindings({ config, names, complete });
  const found = [...findings, ...ruled].filter(({ severity }) => severity === 'problem');
  const [first] = [...problems, ...found.map(({ path, message }) => ({ path: formatPath(path), message }))];
  return first && `would not do: "${first.path}" ${first.message}`;
}

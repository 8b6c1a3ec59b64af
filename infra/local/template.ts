import { readFile } from 'node:fs/promises';

export interface Resource {
  readonly Type: string;
  readonly Properties: Readonly<Record<string, unknown>>;
}

/** A CloudFormation template, as the packaging made it. */
export interface Template {
  readonly Resources: Readonly<Record<string, Resource>>;
}

export async function readTemplate(path: string): Promise<Template> {
  return JSON.parse(await readFile(path, 'utf8')) as Template;
}

/** The resources of one type, by logical id. */
export const resourcesOf = (template: Template, type: string): readonly (readonly [string, Resource])[] =>
  Object.entries(template.Resources).filter(([, resource]) => resource.Type === type);

/** What the intrinsic functions answer on this machine. */
export interface Known {
  /** `Ref` of a resource, or of a pseudo parameter such as `AWS::Region`. */
  readonly refs: Readonly<Record<string, string>>;
  /** `Fn::GetAtt`, as `Resource.Attribute`. */
  readonly attributes: Readonly<Record<string, string>>;
}

/** The value with every `Ref`, `Fn::GetAtt`, `Fn::Sub` and `Fn::Join` resolved. @throws Error for what is not known here. */
export function resolve(value: unknown, known: Known): unknown {
  if (Array.isArray(value)) return value.map((inner) => resolve(inner, known));
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value);
  const [only] = entries;
  if (entries.length === 1 && only && (only[0] === 'Ref' || only[0].startsWith('Fn::')))
    return intrinsic(only[0], only[1], known);
  return Object.fromEntries(entries.map(([key, inner]) => [key, resolve(inner, known)]));
}

function intrinsic(name: string, argument: unknown, known: Known): unknown {
  if (name === 'Ref') return found(known.refs, String(argument));
  if (name === 'Fn::GetAtt')
    return found(known.attributes, Array.isArray(argument) ? argument.join('.') : String(argument));
  if (name === 'Fn::Join') {
    const [separator, parts] = argument as [string, unknown[]];
    return parts.map((part) => String(resolve(part, known))).join(separator);
  }
  if (name === 'Fn::Sub') {
    const text = String(Array.isArray(argument) ? argument[0] : argument);
    return text.replace(/\$\{([^}]+)\}/g, (_, key: string) =>
      found(key.includes('.') ? known.attributes : known.refs, key),
    );
  }
  throw new Error(`The template uses ${name}, which the local stack does not know`);
}

function found(values: Readonly<Record<string, string>>, key: string): string {
  const value = values[key];
  if (value === undefined)
    throw new Error(`The template refers to ${key}, which the local stack does not have`);
  return value;
}

import { join } from 'node:path';
import { type LocalFunction, localFunction } from './containers.ts';
import type { Routes } from './http-front.ts';
import { type Known, resolve, resourcesOf, type Template } from './template.ts';

type Variables = Readonly<Record<string, string>>;
/** The functions of the template, by logical id. */
export type Functions = ReadonlyMap<string, LocalFunction>;

/** The environment that the template gives to every function, with all references resolved. */
export function templateVariables(template: Template, known: Known): Variables {
  const [first] = resourcesOf(template, 'AWS::Lambda::Function');
  const { Variables = {} } = (first?.[1].Properties.Environment ?? {}) as { Variables?: object };
  return resolve(Variables, known) as Variables;
}

/** The names among them that the deployment sets itself, because they name its own resources. */
export function ownVariables(template: Template): readonly string[] {
  const [first] = resourcesOf(template, 'AWS::Lambda::Function');
  const { Variables = {} } = (first?.[1].Properties.Environment ?? {}) as { Variables?: object };
  return Object.entries(Variables).flatMap(([name, value]) => (typeof value === 'object' ? [name] : []));
}

/** Every function of the template, from the bundles in `folder`. */
export function functionsOf(
  template: Template,
  folder: string,
  env: Variables,
  onLine: (line: string) => void,
): Functions {
  return new Map(
    resourcesOf(template, 'AWS::Lambda::Function').map(([id, { Properties }]) => {
      const spec = {
        name: String(Properties.FunctionName),
        bundle: join(folder, String(Properties.Handler).replace(/\.handler$/, '.cjs')),
        // The services see who calls them, as they see on AWS by the role.
        env: { ...env, AWS_SDK_UA_APP_ID: String(Properties.FunctionName) },
        timeoutMs: Number(Properties.Timeout) * 1000,
        memoryMb: Number(Properties.MemorySize),
      };
      return [id, localFunction(spec, onLine)];
    }),
  );
}

/** The HTTP API's routes, each with the function that its integration names. */
export function routesOf(template: Template, functions: Functions): Routes {
  return new Map(
    resourcesOf(template, 'AWS::ApiGatewayV2::Route').map(([, { Properties }]) => {
      const [, integration] = /"Ref":"([^"]+)"/.exec(JSON.stringify(Properties.Target)) ?? [];
      const uri = JSON.stringify(template.Resources[integration ?? '']?.Properties.IntegrationUri);
      const [id] = [...functions.keys()].filter((name) => uri.includes(`"${name}"`));
      const target = functions.get(id ?? '');
      if (!target) throw new Error(`The route ${Properties.RouteKey} leads to no function`);
      return [String(Properties.RouteKey), target];
    }),
  );
}

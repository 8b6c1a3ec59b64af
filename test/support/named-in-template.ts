import { resourcesOf, type Template } from '../../infra/local/template.ts';

// What dashboard, alarms and saved queries of the packaged template ask for by name.

/** The metrics of our own that a dashboard shows, each once. */
export function dashboardMetrics(template: Template): readonly string[] {
  const text = JSON.stringify(resourcesOf(template, 'AWS::CloudWatch::Dashboard'));
  const named = text.matchAll(/\[\\"(?:CustomcrmWaveSync|\.)\\",\\"([A-Za-z]+)\\"|MetricName=\\+"(\w+)/g);
  return [...new Set([...named].map(([, listed, searched]) => listed ?? searched ?? ''))];
}

/** By alarm, the metric of our own that it watches; the others are about metrics of AWS. */
export const alarmMetrics = (template: Template): ReadonlyMap<string, string> =>
  new Map(
    resourcesOf(template, 'AWS::CloudWatch::Alarm')
      .filter(([, { Properties }]) => Properties.Metrics === undefined)
      .map(([id, { Properties }]) => [id, String(Properties.MetricName)]),
  );

/** By saved query, the fields of a line that it names, and the messages that it asks for. */
export function queried(
  template: Template,
): ReadonlyMap<string, { readonly fields: readonly string[]; readonly messages: readonly string[] }> {
  const language =
    /\b(?:fields|filter|stats|sort|limit|by|as|in|or|and|desc|asc|count|latest|times|last|ispresent)\b/g;
  return new Map(
    resourcesOf(template, 'AWS::Logs::QueryDefinition').map(([id, { Properties }]) => {
      const text = String(Properties.QueryString);
      const fields =
        text
          .replaceAll(/"[^"]*"/g, '')
          .replaceAll(language, '')
          .match(/@?[a-z]\w*/gi) ?? [];
      const lists = [...text.matchAll(/message (?:=|in) (\[[^\]]*\]|"[^"]*")/g)].map(([, list = '']) => list);
      const messages = lists.flatMap((list) => [...list.matchAll(/"([^"]+)"/g)].map(([, each = '']) => each));
      return [id, { fields: fields.filter((field) => field !== '@timestamp'), messages }];
    }),
  );
}

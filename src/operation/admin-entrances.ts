/** Where a broker is asked about itself: `admin`, which can be told what to do, and `probes`, which cannot. */

import type { Actionable } from '../admin/actions.ts';
import { type BrokerFace, createAdminServer, createProbesServer } from '../admin/admin-server.ts';
import type { HandedServer } from '../admin/handed-server.ts';
import type { Config } from '../config/schema/root.ts';
import type { Wanted } from '../listener/entrances.ts';

export type AdminEntrance = Wanted & { readonly taker: HandedServer };

export function adminEntrances({ admin, probes }: Config, actionable: Actionable, broker: BrokerFace): AdminEntrance[] {
  const entrances: AdminEntrance[] = [{ ...admin, name: 'admin', taker: createAdminServer(broker, actionable) }];
  const { address } = probes;
  if (address !== undefined) entrances.push({ ...probes, address, name: 'probes', taker: createProbesServer(broker) });
  return entrances;
}

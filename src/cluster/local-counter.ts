import { counts } from "./counts.ts";

/** From now on what this storage is asked to do is counted. */
export function countStorage(storage: DurableObjectStorage): void {
  const { sql } = storage;
  const exec = sql.exec.bind(sql);
  const setAlarm = storage.setAlarm.bind(storage);
  const deleteAlarm = storage.deleteAlarm.bind(storage);
  sql.exec = (query, ...bindings) => {
    const cursor = exec(query, ...bindings);
    counts.rowsWritten += cursor.rowsWritten;
    return cursor as never;
  };
  storage.setAlarm = (at) => {
    counts.alarmsSet++;
    return setAlarm(at);
  };
  storage.deleteAlarm = () => {
    counts.alarmsTakenBack++;
    return deleteAlarm();
  };
}

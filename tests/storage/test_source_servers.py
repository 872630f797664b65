def test_a(postgres_server, mariadb_server):
    assert postgres_server.rows("select 1")==[(1,)]
    assert mariadb_server.rows("select 1")==[(1,)]

# The sandbox alone, for tests in any language:
#   docker build --target sandbox -t qfnb-sandbox . && docker run --rm -p 127.0.0.1:8899:8899 --name qianfan qfnb-sandbox
#   eval "$(docker exec qianfan qfnb sandbox env)"
# JupyterLab with qfnb and its sandbox:
#   docker build -t qfnb . && docker run --rm -p 127.0.0.1:8888:8888 qfnb
FROM python:3.12-slim AS base
RUN useradd --create-home user
WORKDIR /home/user
COPY --chown=user . /home/user/qfnb
RUN pip install --no-cache-dir /home/user/qfnb

FROM base AS sandbox
USER user
ENV QFNB_STATE_DIR=/home/user/state
RUN mkdir /home/user/state
VOLUME /home/user/state
EXPOSE 8899
HEALTHCHECK --interval=5s --start-period=10s CMD ["qfnb", "sandbox", "status"]
# In a compose network: --url http://NAME:8899, and QFNB_SANDBOX_API_KEY=bce-v3/ALTAK-.../... for a key of your own
CMD ["qfnb", "sandbox", "serve", "--bind", "0.0.0.0", "--port", "8899", "--url", "http://localhost:8899"]

FROM base AS lab
RUN pip install --no-cache-dir "/home/user/qfnb[lab]"
USER user
EXPOSE 8888
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--no-browser", "--ServerApp.root_dir=/home/user/qfnb/notebooks"]
